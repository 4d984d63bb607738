"""What a learner finds in the sentences of a run: entities or answers, counted and the most confident mistakes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from episodes.banks.spans import Sentence
from episodes.sampling.spans import SpanSampler
from metabench.errors import RunError
from metabench.metrics.spans import answer_f1, exact_match
from metabench.registry import faults_of
from metabench.rerun.load import load_trained
from metabench.texts.limits import Limits
from metabench.texts.mistakes import Mistake
from metabench.texts.words import Words, found_spans, right_spans, span_text, words_text

MOST = 10
NOTHING = "no mention"
KINDS = ("exact", "partly", "wrong")  # of answers


@dataclass(frozen=True)
class Query:
    """A sentence of a task: the spans to be found, those found with their probabilities, and the labels' names."""

    sentence: Sentence
    right: set[Words]
    found: Mapping[Words, float]
    names: tuple[str, ...]


def queries(folder: Path, **settings: Any) -> Iterator[Query]:
    """Those of all test tasks of a run, asked of its learner again.

    Args:
        folder: of the run.
        settings: as of `metabench.rerun.load.load_trained`.

    Raises:
        UsageError, episodes.DataError: the run's weights, data or tasks are not here, or are others.
        RunError: the learner fails.
    """
    run = load_trained(folder, "cpu", **settings)
    assert isinstance(run.test, SpanSampler)
    temperature = run.record.score.temperature or 1.0
    with faults_of(run.learner_class, run.config.learner, RunError):
        for number in range(len(run.of_tasks)):
            truth, drawn = run.test.truth([number]), run.test.indices([number])
            names = ("", *(run.test.bank.class_names[each] for each in drawn.classes[0, 1:]))
            made = found_spans(run.test, number, run.learner, temperature)
            for row, right, found in zip(truth.rows, right_spans(truth), made.spans, strict=True):
                yield Query(run.test.bank.sentences[row], right, found, names)


def by_type(asked: list[Query]) -> pd.DataFrame:
    """Of entities, all tasks together: per type how many there are, were found and were right; the lowest F1 first."""
    counts: dict[str, list[int]] = {}
    for query in asked:
        for place, spans in enumerate((query.right, set(query.found), query.right & set(query.found))):
            for *_, label in spans:
                counts.setdefault(query.names[label], [0, 0, 0])[place] += 1
    table = pd.DataFrame.from_dict(counts, orient="index", columns=["mentions", "found", "right"])
    table = table.rename_axis("type").reset_index()
    precision, recall = table["right"] / table["found"].clip(lower=1), table["right"] / table["mentions"].clip(lower=1)
    together = table["mentions"] + table["found"]
    table = table.assign(precision=precision, recall=recall, F1=2 * table["right"] / together)
    return table.sort_values(["F1", "type"], ignore_index=True)


def by_kind(asked: list[Query]) -> pd.DataFrame:
    """Of answers: how many are exact, have some of the words, or none, with the mean of their probabilities."""
    rows = []
    for query in asked:
        ((span, probability),) = query.found.items()
        shared = answer_f1(span_text(query.sentence, span), query.sentence.answers)
        kind = KINDS[0 if _is_right(query, span) else 1 if shared else 2]
        rows.append((kind, probability, shared))
    table = pd.DataFrame(rows, columns=["answer", "mean confidence", "F1"])
    grouped = table.groupby("answer", sort=False)
    made = grouped.mean().assign(questions=grouped.size(), share=grouped.size() / len(table))
    return made.reindex([kind for kind in KINDS if kind in made.index]).reset_index()[
        ["answer", "questions", "share", "mean confidence", "F1"]
    ]


def mistakes(asked: list[Query]) -> list[Mistake]:
    """The wrong spans of the highest probability, each sentence once."""
    wrong: dict[tuple[str, str], tuple[float, Words, Query]] = {}
    for query in asked:
        for span, probability in query.found.items():
            key = query.sentence.text, query.sentence.question
            if not _is_right(query, span) and probability > wrong.get(key, (0.0,))[0]:
                wrong[key] = probability, span, query
    worst = sorted(wrong.values(), key=lambda each: -each[0])[:MOST]
    return [_mistake(query, span, probability) for probability, span, query in worst]


def _is_right(query: Query, span: Words) -> bool:
    if query.sentence.answers:
        return bool(exact_match(span_text(query.sentence, span), query.sentence.answers))
    return span in query.right


def _mistake(query: Query, span: Words, probability: float) -> Mistake:
    sentence, said = query.sentence, span_text(query.sentence, span)
    text = words_text(sentence, {span: query.names[span[2]]}, Limits())
    if sentence.answers:
        return Mistake(text, sentence.answers[0], said, probability, "right answer")
    met = sorted(right for right in query.right if right[0] < span[1] and span[0] < right[1])
    true = ", ".join(f"{query.names[each[2]]}: {span_text(sentence, each)}" for each in met) or NOTHING
    return Mistake(text, true, f"{query.names[span[2]]}: {said}", probability, "there is")
