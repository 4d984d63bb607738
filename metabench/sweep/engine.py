"""What makes the runs of a study: given cells, an engine tells what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from metabench.sweep.cells import Cell
from metabench.sweep.store import Store


@dataclass(frozen=True)
class Limits:
    """What a study's runs may take.

    Attributes:
        workers: how many at once.
        retries: how often one that failed is tried again.
        timeout: seconds that an attempt may take; None for any.
    """

    workers: int = 1
    retries: int = 1
    timeout: float | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a cell.

    Attributes:
        kind: `started`; `working`, and what it last said; `elsewhere`, as another process makes that run; `retried`,
            after a failure; and, at the end of each cell, `done` or `failed`.
        cell: that it is about.
        text: what it said, or why it failed.
    """

    kind: Literal["started", "working", "elsewhere", "retried", "done", "failed"]
    cell: Cell
    text: str = ""


class Engine(Protocol):
    """Makes runs, on this machine or on others. Closing the iterator stops those that are at work."""

    def __call__(self, cells: Sequence[Cell], store: Store, limits: Limits) -> Iterator[Event]:
        """Make the runs of the cells, which no failure of another prevents; each ends by `done` or `failed`."""
