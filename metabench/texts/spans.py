"""Stretches of a text that have a meaning of their own: entities, the things of a relation, an answer."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from episodes.banks.vocabulary import PARTS
from metabench.records.shown import Piece, Text

BETWEEN = " \N{DOUBLE VERTICAL LINE} "  # the two texts of a pair
# Of Baldini Soares et al. 2019, around the things of a relation; with the space on the inner side.
_MARK = re.compile(r"\[(E[12])\] ?| ?\[/(E[12])\]")


class Span(NamedTuple):
    """The characters from `start` to before `end` of a text, and what they are."""

    start: int
    end: int
    label: str


def marked(text: str, spans: Iterable[Span]) -> Text:
    """The text in pieces, each with the labels of the spans that it is in; spans may lie in each other, or overlap.

    What lies outside of the text is left out, as are empty spans.
    """
    inside = [Span(max(0, start), min(end, len(text)), label) for start, end, label in spans]
    inside = [span for span in inside if span.start < span.end]
    edges = sorted({0, len(text), *(edge for span in inside for edge in span[:2])})
    return tuple(
        Piece(text=text[start:end], labels=tuple(s.label for s in inside if s.start <= start and end <= s.end))
        for start, end in pairwise(edges)
    )


def from_marks(text: str) -> tuple[str, list[Span]]:
    """A text without the marks `[E1] … [/E1]` and `[E2] … [/E2]`, and the spans that they were around.

    A mark without its partner stays as it is.
    """
    found = list(_MARK.finditer(text))
    first, last = ({mark[side]: mark for mark in found if mark[side]} for side in (1, 2))
    whole = {label for label in first if [each[1] or each[2] for each in found].count(label) == 2 and label in last}
    whole = {label for label in whole if first[label].end() <= last[label].start()}
    kept, done = "", 0
    starts: dict[str, int] = {}
    spans: list[Span] = []
    for mark in found:
        label = mark[1] or mark[2]
        if label not in whole:
            continue
        kept, done = kept + text[done : mark.start()], mark.end()
        if mark[1]:
            starts[label] = len(kept)
        else:
            spans.append(Span(starts[label], len(kept), label))
    return kept + text[done:], sorted(spans)


def pieces(text: str) -> Text:
    """A text of a bank as it is shown: its pairs side by side, the things of a relation as spans."""
    return marked(*from_marks(text.replace(PARTS, BETWEEN)))
