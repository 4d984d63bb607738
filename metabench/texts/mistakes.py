"""Queries of texts that were taken for another class, for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metabench.escape import readable
from metabench.records.shown import Text
from metabench.texts.terminal import DIM, RED, WRONG, Terminal


@dataclass(frozen=True)
class Mistake:
    """A query with its class, what it was taken for, and the probability that the learner gave that.

    `known_as` says what `true` is: of entities and answers it is no class.
    """

    text: Text
    true: str
    prediction: str
    confidence: float
    known_as: str = "true class"


def mistakes_text(mistakes: Sequence[Mistake], terminal: Terminal) -> str:
    """Of each what it was taken for, with the confidence, and what it is; below it the text."""
    return "\n".join(f"{_said(each, terminal)}\n{terminal.indented(each.text, '    ', 4)}" for each in mistakes)


def _said(mistake: Mistake, terminal: Terminal) -> str:
    taken = terminal.styled(f"{WRONG} {readable(mistake.prediction, 60)}", RED)
    return (
        f"{taken} {mistake.confidence:.1%}{terminal.styled(f', {mistake.known_as}', DIM)} {readable(mistake.true, 60)}"
    )
