"""A task whose items are words, with the spans that a learner finds, as it is shown: entities, and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from episodes.banks.spans import Sentence
from episodes.sampling.spans import SpanSampler, Truth
from metabench.learner import Learner, given_to
from metabench.metrics.spans import best_span, exact_match, mentions, sums_of_spans
from metabench.records.shown import Piece, ShownClass, ShownQuery, ShownTask, Text
from metabench.texts.limits import Limits, cut
from metabench.texts.spans import BETWEEN, Span, marked
from metabench.texts.terminal import WRONG

AROUND = 70  # characters on either side of a span that are shown of a long text
MORE = "\N{HORIZONTAL ELLIPSIS}"

Words = tuple[int, int, int]  # a span of a text: its first word, the one after its last, and its label


@dataclass(frozen=True, eq=False)
class Found:
    """The spans that are predicted in each of a task's queries, with their probabilities; and the score in words."""

    spans: Sequence[Mapping[Words, float]]
    score: str


def found_spans(source: SpanSampler, number: int, learner: Learner, temperature: float = 1.0) -> Found:
    """What a learner finds in the queries of a task.

    The probability of an entity is that all its words have its label, that of an answer that it is the one of all spans
    in its text; both take words as independent of each other.

    Args:
        source: of the task, on the learner's device.
        number: the task's.
        learner: it.
        temperature: what its logits are divided by.
    """
    batch, truth = source.batch([number]), source.truth([number])
    with torch.no_grad():
        logits = learner.eval().classify(given_to(learner, batch)).double().cpu()
    metric = learner.problem.metric
    score = metric.text(float(metric.per_task(logits, batch.query_labels.cpu(), truth)))
    find = _answer if source.bank.kind == "questions" else _entities
    of_texts = torch.split(torch.log_softmax(logits[0] / temperature, dim=1), truth.lengths.tolist())
    return Found([find(shares.numpy()) for shares in of_texts], f"{metric.label} {score}")


def _entities(shares: NDArray[np.float64]) -> dict[Words, float]:
    """Of the logarithms of probabilities `[words, N]`."""
    labels, best = shares.argmax(1), shares.max(1)
    return {
        span: float(np.exp(best[span[0] : span[1]].sum()))
        for span in sorted(mentions(labels, np.asarray([len(labels)])))
    }


def _answer(shares: NDArray[np.float64]) -> dict[Words, float]:
    odds = shares[:, 1] - shares[:, 0]
    first, last = best_span(odds)
    others = np.concatenate(list(sums_of_spans(odds))) - odds[first:last].sum()
    return {(first, last, 1): float(1 / np.exp(others).sum())}


def shown_words(source: SpanSampler, number: int, title: str, made: Found | None, limits: Limits) -> ShownTask:
    """A task as it is shown: its sentences with what is to be found in them and, of queries, what was found.

    It has one "class", named by all types. A span that was found has its probability in its label, and a cross if it is
    wrong. Queries with a fault come first.

    Args:
        source: of tasks of words.
        number: the task's.
        title: of it.
        made: what a learner found.
        limits: how much of it.
    """
    bank, drawn, truth = source.bank, source.indices([number]), source.truth([number])
    names = ["", *(bank.class_names[each] for each in drawn.classes[0, 1:])]
    rows, labels = drawn.support[0], drawn.support_labels[0]
    begins = bank.begins[bank.words_of(rows)] & (labels > 0)
    examples = zip(rows, _by_text(mentions(labels, bank.lengths[rows], begins), bank.lengths[rows]), strict=True)
    right = right_spans(truth)
    found = made.spans if made else [None] * len(right)
    queries = [
        _query(bank.sentences[row], spans, predicted, names, limits)
        for row, spans, predicted in zip(truth.rows, right, found, strict=True)
    ]
    queries.sort(key=lambda query: query.right is not False)
    shown = ShownClass(
        name=", ".join(names[1:]),
        support=tuple(words_text(bank.sentences[row], _named(spans, names), limits) for row, spans in examples)[
            : limits.support
        ],
        queries=tuple(queries[: limits.queries]),
        more_support=max(0, len(rows) - limits.support),
        more_queries=max(0, len(queries) - limits.queries),
    )
    return ShownTask(title=title, classes=(shown,))


def right_spans(truth: Truth) -> list[set[Words]]:
    """What is to be found in each of a task's queries."""
    return _by_text(mentions(truth.labels, truth.lengths, truth.begins), truth.lengths)


def _by_text(spans: Iterable[Words], lengths: NDArray[np.int64]) -> list[set[Words]]:
    """The spans of each text, whose words are counted from its own first one."""
    ends = np.cumsum(lengths)
    made: list[set[Words]] = [set() for _ in lengths]
    for first, last, label in spans:
        place = int(np.searchsorted(ends, first, side="right"))
        before = int(ends[place] - lengths[place])
        made[place].add((first - before, last - before, label))
    return made


def _query(
    sentence: Sentence, right: set[Words], found: Mapping[Words, float] | None, names: Sequence[str], limits: Limits
) -> ShownQuery:
    if found is None:
        return ShownQuery(text=words_text(sentence, _named(right, names), limits))
    if sentence.answers:  # of which any will do
        right = {span for span in found if exact_match(span_text(sentence, span), sentence.answers)} or right
    labels = {
        span: f"{'' if span in right else WRONG + ' '}{names[span[2]]} {probability:.1%}"
        for span, probability in found.items()
    }
    missed = [Piece(text=span_text(sentence, span), labels=(names[span[2]],)) for span in sorted(right - set(found))]
    return ShownQuery(text=words_text(sentence, labels, limits), right=set(found) == right, missed=tuple(missed))


def _named(spans: Iterable[Words], names: Sequence[str]) -> dict[Words, str]:
    return {span: names[span[2]] for span in spans}


def span_text(sentence: Sentence, span: Words) -> str:
    """The characters of a span, as they are in the sentence."""
    return sentence.text[sentence.words[span[0]][0] : sentence.words[span[1] - 1][1]]


def words_text(sentence: Sentence, labels: Mapping[Words, str], limits: Limits) -> Text:
    """The sentence with its spans, behind its question; of a long one what is around the spans."""
    spans = [
        Span(sentence.words[first][0], sentence.words[last - 1][1], label)
        for (first, last, _), label in sorted(labels.items())
    ]
    shown = marked(*around(sentence.text, spans))
    asked = marked(f"{sentence.question}{BETWEEN}", []) if sentence.question else ()
    return cut((*asked, *shown), limits.characters)


def around(text: str, spans: Sequence[Span]) -> tuple[str, list[Span]]:
    """What of a long text is within about AROUND characters of its spans, which are sorted, and where these are."""
    if len(text) <= 2 * AROUND or not spans:
        return text, list(spans)
    kept, done = "", 0
    moved: list[Span] = []
    for span in spans:
        first, last = max(0, span.start - AROUND), min(len(text), span.end + AROUND)
        if first:  # begin after a space, and end before one
            first = text.find(" ", first, span.start) + 1 or first
        if last < len(text):
            last = max(text.rfind(" ", span.end, last), span.end)
        start, end = max(done, first), max(done, last)
        if start > done:
            kept += f" {MORE} " if kept else f"{MORE} "
        kept, done = kept + text[start:end], end
        moved.append(Span(span.start + len(kept) - done, span.end + len(kept) - done, span.label))
    return kept + f" {MORE}" * (done < len(text)), moved
