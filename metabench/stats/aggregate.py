"""Aggregates over boards: the interquartile mean and the probability of improvement (Agarwal et al. 2021).

"Deep reinforcement learning at the edge of the statistical precipice", NeurIPS 2021, sections 4.2 and 4.3. Their
library rliable has the same, with far more to install.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from metabench.stats.intervals import SEEDS, Estimate

RESAMPLES = 2000

Boards = Sequence[NDArray[np.float64]]  # of one learner: the mean of each seed, board by board


def interquartile_mean(boards: Boards) -> float:
    """The mean of the middle half of all scores, seeds of all boards together."""
    return float(stats.trim_mean(np.concatenate(boards), 0.25))


def improvement(first: Boards, second: Boards) -> float:
    """The chance that a seed of the first is better than one of the second, its mean over boards; half for a tie."""
    return float(np.mean([_wins(one, two) for one, two in zip(first, second, strict=True)]))


def interval(value: Callable[..., float], *learners: Boards, confidence: float = 0.95) -> Estimate:
    """A value of one learner or two, with an interval over training seeds: the percentile bootstrap within each board.

    Args:
        value: `interquartile_mean` of one learner, or `improvement` of two.
        learners: two seeds or more on each board, else the interval is too narrow.
        confidence: nominal coverage, between 0 and 1.
    """
    random = np.random.default_rng(0)
    drawn = [
        value(*([board[random.integers(len(board), size=len(board))] for board in boards] for boards in learners))
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Estimate(value(*learners), float(low), float(high), len(learners[0]), SEEDS)


def _wins(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    difference = one[:, None] - two
    return float(((difference > 0) + 0.5 * (difference == 0)).mean())
