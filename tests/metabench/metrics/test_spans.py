import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from seqeval.metrics import f1_score

from metabench.metrics.spans import answer_f1, best_span, exact_match, mentions, normalised, span_f1

Words = list[list[tuple[int, bool]]]  # of each sentence's words the label, and whether a mention begins there
SENTENCES = st.lists(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=8), min_size=1)


def tags(labels: list[int], begins: list[bool]) -> list[str]:
    """BIO, in which a mention begins with another label, or where it is said."""
    before = [0, *labels[:-1]]
    return [
        "O" if not label else f"{'B' if begin or label != last else 'I'}-{label}"
        for label, begin, last in zip(labels, begins, before, strict=True)
    ]


def flat(sentences: Words) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    words = [word for each in sentences for word in each]
    labels = np.asarray([label for label, _ in words])
    begins = np.asarray([begin and label > 0 for label, begin in words])
    return labels, np.asarray([len(each) for each in sentences]), begins


@given(SENTENCES, st.randoms(use_true_random=False))
def test_span_f1_is_that_of_seqeval(sentences: Words, random: object) -> None:
    labels, lengths, begins = flat(sentences)
    found = np.asarray([random.choice((0, 1, 2, label)) for label in labels])  # type: ignore[attr-defined]
    edges = np.cumsum(lengths)[:-1]
    parts = zip(np.split(labels, edges), np.split(begins, edges), strict=True)
    right = [tags(one.tolist(), begin.tolist()) for one, begin in parts]
    predicted = [tags(part.tolist(), [False] * len(part)) for part in np.split(found, edges)]
    ours = span_f1(mentions(found, lengths), mentions(labels, lengths, begins))
    if any(tag != "O" for each in (*right, *predicted) for tag in each):
        assert ours == pytest.approx(f1_score(right, predicted, zero_division=0))
    else:
        assert ours == 1


def test_mentions_end_with_their_sentence_and_where_the_next_begins() -> None:
    labels, lengths = np.asarray([1, 1, 1, 0, 2]), np.asarray([2, 3])
    assert mentions(labels, lengths) == {(0, 2, 1), (2, 3, 1), (4, 5, 2)}
    begins = np.asarray([True, True, True, False, True])
    assert mentions(labels, lengths, begins) == {(0, 1, 1), (1, 2, 1), (2, 3, 1), (4, 5, 2)}
    assert span_f1(mentions(labels, lengths), mentions(labels, lengths, begins)) == pytest.approx(2 * 2 / (3 + 4))
    assert span_f1(set(), mentions(labels, lengths)) == 0


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=25), st.integers(1, 10))
def test_the_best_span_has_the_largest_sum(odds: list[float], longest: int) -> None:
    first, last = best_span(np.asarray(odds), longest)
    sums = {(a, b): sum(odds[a:b]) for a in range(len(odds)) for b in range(a + 1, min(a + longest, len(odds)) + 1)}
    assert (first, last) in sums
    assert sums[first, last] == pytest.approx(max(sums.values()), abs=1e-9)


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("The  Cat's hat.", "cats hat"),
        ("an apple, a day", "apple day"),
        ("Theory", "theory"),
        ("$5-10", "510"),
        ("\u00c9t\u00e9\n2016", "\u00e9t\u00e9 2016"),
        ("the", ""),
    ],
)
def test_answers_are_compared_without_case_articles_and_punctuation(answer: str, plain: str) -> None:
    """By hand, after `normalize_answer` of SQuAD's evaluation script."""
    assert normalised(answer) == plain


@pytest.mark.parametrize(
    ("answer", "accepted", "exact", "f1"),
    [
        ("the Denver Broncos", ["Denver Broncos"], 1, 1),
        ("Broncos", ["Denver Broncos"], 0, 2 / 3),
        ("in Denver, Colorado", ["Denver", "Denver in Colorado"], 0, 1),  # words in any order; the better of two
        ("Denver Denver", ["Denver"], 0, 2 / 3),  # a word counts as often as it is there
        ("Panthers", ["Denver Broncos"], 0, 0),
        ("the", ["a"], 1, 1),  # both empty
        ("the", ["Broncos"], 0, 0),
    ],
)
def test_answers_score_as_by_hand(answer: str, accepted: list[str], exact: float, f1: float) -> None:
    assert exact_match(answer, accepted) == exact
    assert answer_f1(answer, accepted) == pytest.approx(f1)
