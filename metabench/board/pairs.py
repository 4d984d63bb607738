"""Paired differences of the rows of a board, for the page to show two or three of them side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from metabench.board.rows import FEWEST_SHARED, Entry, by_seed
from metabench.stats.comparison import Comparison, compare

MOST_PAIRS = 6000  # of a page, which take some seconds; of boards of many rows the first ones have them

Pair = tuple[int, int, float, float, float, float, bool]


def paired_differences(rows: Sequence[Entry]) -> list[Pair]:
    """By the numbers of two rows of one board, the smaller first: how much the first is above the second.

    As `metabench compare` has it, of this pair alone: difference, its 95% interval, the p-value, and whether they are
    over training seeds and tasks, in place of tasks alone. Accuracies are in points. Rows that share fewer than
    `FEWEST_SHARED` tasks have none.
    """
    boards = [list(board) for _, board in itertools.groupby(enumerate(rows), key=lambda numbered: numbered[1].board)]
    most = _most([len(board) for board in boards])
    return [pair for board in boards for pair in _of_board(board[:most])]


def _most(sizes: Sequence[int]) -> int:
    """How many rows of each board are compared so that there are no more than `MOST_PAIRS`."""
    most = max(sizes, default=0)
    while sum(least * (least - 1) // 2 for least in (min(most, size) for size in sizes)) > MOST_PAIRS and most > 2:
        most -= 1
    return most


def _of_board(board: Sequence[tuple[int, Entry]]) -> Iterator[Pair]:
    for (one, first), (two, second) in itertools.combinations(board, 2):
        found = _compared(first, second)
        if found is None:
            continue
        scale, over = first.metric.scale, found.difference
        mean, low, high = (float(f"{scale * value:.6g}") for value in (over.mean, over.low, over.high))
        yield one, two, mean, low, high, float(f"{found.p_value:.2g}"), found.learners is not None


def _compared(first: Entry, second: Entry) -> Comparison | None:
    """On the tasks that both have; of training seeds those that were scored on all of these."""
    shared = {
        seed: min(len(scores), len(second.of_tasks[seed]))
        for seed, scores in first.of_tasks.items()
        if seed in second.of_tasks
    }
    if sum(shared.values()) < FEWEST_SHARED:
        return None
    one, other = (_whole(by_seed(entry.runs, shared)) for entry in (first, second))
    if not len(one) or not len(other):
        return None
    return compare(one, other, seeded=(first.record.seeded, second.record.seeded))


def _whole(table: NDArray[np.float64]) -> NDArray[np.float64]:
    return table[np.isfinite(table).all(1)]
