from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from episodes.banks.spans import QuestionBank, Sentence, SpanBank
from episodes.banks.vocabulary import Vocabulary
from episodes.dataset import Dataset
from episodes.episode import EpisodeBatch
from episodes.files.token_cache import with_word_ids
from episodes.sampling.spans import SpanSampler
from episodes.tasks.spans import EntityTask, QuestionTask
from metabench.learner import Learner, Problem, TrainingOptions
from metabench.metrics.metric import answers
from metabench.records.shown import Text
from metabench.texts.limits import Limits
from metabench.texts.spans import Span
from metabench.texts.terminal import WRONG, Terminal, task_text
from metabench.texts.words import Found, around, found_spans, shown_words
from tests.made_sentences import WORDS, random_bank, sentence


class Told(Learner):
    """Gives the logits that it was given."""

    kinds = ("entities", "questions")
    logits: Tensor

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        return self.logits


def sampler(bank: SpanBank, task: EntityTask) -> SpanSampler:
    vocabulary = Vocabulary.trained([" ".join(WORDS)] * 3, 200)
    return SpanSampler(with_word_ids(Dataset("x", "y", bank, bank, bank), vocabulary, 32).test, task, 0)


def told(source: SpanSampler, logits: Tensor) -> Told:
    learner = Told(Problem(source.bank.item_shape, 4, source.task), TrainingOptions())
    learner.logits = logits
    return learner


@pytest.fixture(scope="module")
def entities() -> SpanSampler:
    return sampler(random_bank(120), EntityTask(3, 1, 5))


@pytest.fixture(scope="module")
def questions() -> SpanSampler:
    made = []
    for number in range(12):
        words = ["some", "plain", f"gold{number}", "words", "follow", "here"][: 4 + number % 3]
        one = sentence(words, [(2, 3, "answer")], document=number)
        made.append(replace(one, question=f"Which {number}?", answers=(f"gold{number}", f"plain gold{number}")))
    return sampler(QuestionBank("made/test", tuple(made), ("answer",)), QuestionTask(2, 2, 5))


def spans(text: Text) -> list[tuple[str, tuple[str, ...]]]:
    return [(piece.text, piece.labels) for piece in text if piece.labels]


def right_logits(source: SpanSampler, number: int, size: float = 9.0) -> Tensor:
    labels = source.batch([number]).query_labels
    return size * torch.nn.functional.one_hot(labels, source.task.ways).double()


def test_without_a_learner_all_mentions_of_the_types_are_marked(entities: SpanSampler) -> None:
    bank, drawn = entities.bank, entities.indices([2])
    types = [bank.class_names[number] for number in drawn.classes[0, 1:]]
    (shown,) = shown_words(entities, 2, "title", None, Limits()).classes
    assert shown.name == ", ".join(types)
    for rows, texts in ((drawn.support[0], shown.support), (drawn.query[0], [each.text for each in shown.queries])):
        assert len(rows) == len(texts)
        for row, text in zip(rows, texts, strict=True):
            words, mentions = bank.sentences[row].text.split(), bank.sentences[row].mentions
            expected = [(" ".join(words[a:b]), (name,)) for a, b, name in mentions if name in types]
            assert spans(text) == expected
            assert "".join(piece.text for piece in text) == bank.sentences[row].text
    assert {(query.right, query.missed) for query in shown.queries} == {(None, ())}


def test_right_predictions_are_right_with_the_probability_of_all_their_words(entities: SpanSampler) -> None:
    bank, number = entities.bank, 3
    made = found_spans(entities, number, told(entities, right_logits(entities, number)), temperature=3.0)
    of_word = np.exp(3) / (np.exp(3) + 2)
    for row, found in zip(entities.indices([number]).query[0], made.spans, strict=True):
        assert len(found) <= len(bank.sentences[row].mentions)
        for (first, last, _), probability in found.items():
            assert probability == pytest.approx(of_word ** (last - first))
    (shown,) = shown_words(entities, number, "title", made, Limits()).classes
    together = [query for query in shown.queries if query.right]
    assert together
    for query in together:
        assert all(not labels[0].startswith(WRONG) for _, labels in spans(query.text))
        assert not query.missed


def test_wrong_spans_have_a_cross_and_missed_ones_are_listed_first(entities: SpanSampler) -> None:
    number = 0
    truth, logits = entities.truth([number]), right_logits(entities, number)
    place = int(np.flatnonzero(truth.begins)[0])  # its first word is now outside
    logits[0, place] = torch.tensor([9.0, 0.0, 0.0])
    other = int(np.flatnonzero(truth.labels == 0)[-1])  # and a word of none is of the second type
    logits[0, other] = torch.tensor([0.0, 0.0, 9.0])
    made = found_spans(entities, number, told(entities, logits))
    (shown,) = shown_words(entities, number, "title", made, Limits(queries=2)).classes
    assert shown.more_queries == len(truth.rows) - 2
    wrong = [query for query in shown.queries if not query.right]
    assert wrong
    assert not shown.queries[0].right
    missed = [(piece.text, piece.labels) for query in wrong for piece in query.missed]
    first = entities.bank.sentences[truth.rows[int(np.searchsorted(np.cumsum(truth.lengths), place, side="right"))]]
    names = shown.name.split(", ")
    begin, end, name = next(mention for mention in first.mentions if mention[2] in names)
    assert (" ".join(first.text.split()[begin:end]), (name,)) in missed
    crosses = [labels[0] for query in wrong for _, labels in spans(query.text) if labels[0].startswith(WRONG)]
    assert any(label.startswith(f"{WRONG} {names[1]} 100.0%") for label in crosses)


@pytest.mark.parametrize("seed", range(5))
def test_an_answers_probability_is_that_of_its_span_among_all(questions: SpanSampler, seed: int) -> None:
    """By labelling the words in each way that makes one span, and what words independent of each other give it."""
    words = questions.batch([0]).query_labels.shape[1]
    logits = torch.randn(1, words, 2, generator=torch.Generator().manual_seed(seed)).double()
    learner, truth = told(questions, logits), questions.truth([0])
    made, shares, start = found_spans(questions, 0, learner), torch.softmax(logits[0], 1).numpy(), 0
    of_metric = [found for found, _ in answers(logits, truth)]
    for row, length, found, answer in zip(truth.rows, truth.lengths, made.spans, of_metric, strict=True):
        own = shares[start : start + length]
        ways = {}
        for first in range(length):
            for last in range(first + 1, length + 1):
                labels = [int(first <= word < last) for word in range(length)]
                ways[first, last, 1] = np.prod([own[word, label] for word, label in enumerate(labels)])
        ((span, probability),) = found.items()
        assert span == max(ways, key=ways.__getitem__)
        assert probability == pytest.approx(ways[span] / sum(ways.values()))
        edges = questions.bank.sentences[row].words
        assert questions.bank.sentences[row].text[edges[span[0]][0] : edges[span[1] - 1][1]] == answer
        start += length


def test_any_accepted_answer_is_right(questions: SpanSampler) -> None:
    truth = questions.truth([1])
    found = [{(1, 3, 1): 0.5}, {(2, 3, 1): 0.25}, {(0, 1, 1): 0.75}, *[{(2, 3, 1): 1.0}] * (len(truth.rows) - 3)]
    shown = shown_words(questions, 1, "title", Found(found, "answer F1 50%"), Limits())
    (one,) = shown.classes
    number = {query.text[0].text.split()[1].split("?")[0]: query for query in one.queries}
    rows = [str(row) for row in truth.rows]
    assert spans(number[rows[0]].text) == [(f"plain gold{rows[0]}", ("answer 50.0%",))]
    assert spans(number[rows[1]].text) == [(f"gold{rows[1]}", ("answer 25.0%",))]
    assert spans(number[rows[2]].text) == [("some", (f"{WRONG} answer 75.0%",))]
    assert spans(number[rows[2]].missed) == [(f"gold{rows[2]}", ("answer",))]
    assert [query.right for query in one.queries] == [False, True, True, True, True]
    printed = task_text(shown, Terminal(columns=100))
    assert f"  {WRONG} Which {rows[2]}? ‖ [{WRONG} answer 75.0%: some]" in printed
    assert f"    missed [answer: gold{rows[2]}]\n" in printed
    assert f"    Which {rows[0]}? ‖ some [answer 50.0%: plain gold{rows[0]}]" in printed


def test_a_long_text_is_shown_around_its_spans() -> None:
    text = "word " * 100 + "GOLD " + "word " * 100 + "SILVER" + " word" * 3
    kept, moved = around(text, [Span(500, 504, "a"), Span(1005, 1011, "b")])
    assert [kept[span.start : span.end] for span in moved] == ["GOLD", "SILVER"]
    parts = kept.split("…")
    assert [part.strip().replace("word", "").split() for part in parts] == [[], ["GOLD"], ["SILVER"]]
    assert parts[2].endswith("SILVER word word word")
    assert around("short", []) == ("short", [])


@given(st.text(alphabet="ab ", max_size=500), st.lists(st.tuples(st.integers(0, 500), st.integers(1, 40)), max_size=4))
def test_what_is_left_out_is_outside_of_all_spans(text: str, places: list[tuple[int, int]]) -> None:
    whole = [Span(start, min(start + size, len(text)), "x") for start, size in sorted(places) if start < len(text)]
    kept, moved = around(text, whole)
    for before, after in zip(whole, moved, strict=True):
        assert kept[after.start : after.end] == text[before.start : before.end]
    assert all(one.start <= other.start for one, other in pairwise(moved))
    assert len(kept) <= len(text) + 3 * len(whole) + 3


def test_sentences_of_one_task_are_as_many_as_they_are(entities: SpanSampler) -> None:
    """Limits count what they leave out."""
    (shown,) = shown_words(entities, 1, "title", None, Limits(support=1, queries=1)).classes
    drawn = entities.indices([1])
    assert (1 + shown.more_support, 1 + shown.more_queries) == (drawn.support.shape[1], drawn.query.shape[1])
    assert isinstance(entities.bank.sentences[0], Sentence)
