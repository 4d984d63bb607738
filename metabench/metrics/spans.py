"""Spans of words: which are predicted, and how those agree with what is right; for metrics."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LONGEST_ANSWER = 30  # words, as in Devlin et al.'s code for SQuAD
ARTICLES = re.compile(r"\b(a|an|the)\b")


def mentions(
    labels: NDArray[np.int64], lengths: NDArray[np.int64], begins: NDArray[np.bool_] | None = None
) -> set[tuple[int, int, int]]:
    """The first word, the one after the last, and the label of each mention: words of one label that adjoin.

    Args:
        labels: of the words of sentences, one sentence after another, `[words]`; 0 outside.
        lengths: words in each sentence.
        begins: where mentions begin, `[words]`, though the word before may have the same label; None where only
            another label or the next sentence ends one.
    """
    edges = np.zeros(len(labels) + 1, dtype=bool)
    edges[np.cumsum(lengths)] = edges[0] = True
    edges[1:-1] |= labels[1:] != labels[:-1]
    if begins is not None:
        edges[:-1] |= begins
    places = np.flatnonzero(edges)
    found = zip(places[:-1], places[1:], labels[places[:-1]], strict=True)
    return {(int(first), int(last), int(label)) for first, last, label in found if label}


def span_f1(found: set[tuple[int, int, int]], right: set[tuple[int, int, int]]) -> float:
    """F1 of exact spans with their labels, all together (micro), as in CoNLL-2003's evaluation.

    Tjong Kim Sang and De Meulder 2003, section 3. 0 where nothing was found that is right.
    """
    together = len(found) + len(right)
    return 2 * len(found & right) / together if together else 1.0


def best_span(odds: NDArray[np.float64], longest: int = LONGEST_ANSWER) -> tuple[int, int]:
    """The span of the largest sum of `odds` `[words]`: its first word, and one after its last; the shortest and, of
    these, the earliest of several."""
    best, place = -np.inf, (0, 1)
    for length, of_length in enumerate(sums_of_spans(odds, longest), 1):
        first = int(of_length.argmax())
        if of_length[first] > best:
            best, place = float(of_length[first]), (first, first + length)
    return place


def sums_of_spans(odds: NDArray[np.float64], longest: int = LONGEST_ANSWER) -> Iterator[NDArray[np.float64]]:
    """The sum over each span of 1 word, of each of 2, and so on to `longest`; in the order of their first words."""
    sums = np.concatenate([[0.0], np.cumsum(odds)])
    for length in range(1, min(longest, len(odds)) + 1):
        yield sums[length:] - sums[:-length]


def normalised(answer: str) -> str:
    """In lower case, without punctuation and articles, white space as single spaces.

    Rajpurkar et al. 2016, section 6.1, as in their evaluation script.
    """
    plain = "".join(letter for letter in answer.lower() if letter not in string.punctuation)
    return " ".join(ARTICLES.sub(" ", plain).split())


def exact_match(answer: str, accepted: Sequence[str]) -> float:
    """1 if it is one of the accepted answers, when all are `normalised`, else 0."""
    return float(normalised(answer) in map(normalised, accepted))


def answer_f1(answer: str, accepted: Sequence[str]) -> float:
    """The largest F1 of its `normalised` words with those of an accepted answer, repeats counted."""
    return max(_words_f1(normalised(answer).split(), normalised(each).split()) for each in accepted)


def _words_f1(found: list[str], right: list[str]) -> float:
    shared = sum((Counter(found) & Counter(right)).values())
    if not found or not right:
        return float(found == right)
    return 2 * shared / (len(found) + len(right))
