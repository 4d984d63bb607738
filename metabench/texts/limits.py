"""How much of a task of texts is shown."""

from __future__ import annotations

from dataclasses import dataclass

from metabench.records.shown import LONGEST, Piece, Text


@dataclass(frozen=True)
class Limits:
    """How much of a task is shown: classes, of each class support and queries, and characters of a text.

    Where there are more classes, those with the most wrong queries are shown, and of a class's queries the wrong ones.
    """

    classes: int = 10_000
    support: int = 20
    queries: int = 20
    characters: int = LONGEST


def cut(text: Text, characters: int) -> Text:
    """At most so many characters of it, and an ellipsis where something is left out."""
    kept: list[Piece] = []
    for piece in text:
        if len(piece.text) > characters:
            shorter = piece.text[:characters].rstrip() + "\N{HORIZONTAL ELLIPSIS}"
            return (*kept, Piece(text=shorter, labels=piece.labels))
        kept.append(piece)
        characters -= len(piece.text)
    return tuple(kept)
