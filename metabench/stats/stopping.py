"""Stopping: how many test tasks are enough for an interval of a given width."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from metabench.stats.intervals import Estimate, mean_interval

PILOT = 200
MOST = 100_000


@dataclass(frozen=True)
class FixedWidth:
    """Draw tasks until mean ± half_width is an interval of 95%, in a few stages.

    After a pilot, each stage draws what the deviation s of all scores so far calls for, n = (t s / half_width)^2 in
    all, or for fractions what makes the longer arm of Wilson's interval so long, and it ends when none are missing: the
    sequential rule of Chow and Robbins (1965, Annals of Mathematical Statistics 36) in stages, the first of them that
    of Stein (1945). To look every few tasks, from the first on, would end at chance lows of the deviation: next to an
    accuracy of 1 such intervals cover half as often as they say. The pilot prevents that, and the width is the one that
    was asked for, also where chance would give less. Up to an accuracy of 0.998 it covers in 93% at the least.

    Attributes:
        half_width: in the unit of the scores, more than 0.
        bounded: whether scores are fractions. As long as all are 1, or all 0, the deviation tells nothing, and the
            number is that of the exact binomial interval (see `mean_interval`).
        most: tasks at which it ends in any case, at least 2.
        pilot: tasks of the first stage.
    """

    half_width: float
    bounded: bool = False
    most: int = MOST
    pilot: int = PILOT

    def needed(self, scores: NDArray[np.float64]) -> int:
        """How many tasks the next stage ends at, given the scores so far; as many as there are when it is over."""
        return max(len(scores), min(self._enough(scores), self.most))

    def estimate(self, scores: NDArray[np.float64]) -> Estimate:
        """Mean and interval after the last stage: of the half-width asked for, or what so many tasks give if wider."""
        reached = mean_interval(scores, bounded=self.bounded)
        if self._enough(scores) > len(scores):
            return reached
        low, high = reached.mean - self.half_width, reached.mean + self.half_width
        if self.bounded:
            low, high = max(0.0, low), min(1.0, high)
        return replace(reached, low=low, high=high)

    def _enough(self, scores: NDArray[np.float64]) -> int:
        count = len(scores)
        if count < self.pilot:
            return self.pilot
        if self.bounded and scores[0] in (0, 1) and (scores == scores[0]).all():
            return int(np.ceil(np.log(0.025) / np.log1p(-min(self.half_width, 0.5))))
        square = (scores.std(ddof=1) * stats.t.ppf(0.975, count - 1)) ** 2  # (t s)^2
        if not self.bounded:
            return int(np.ceil(square / self.half_width**2))
        # Wilson's interval ends at p where (m - p)^2 = (t s)^2 / n * p (1 - p) / (m (1 - m)); its longer arm is the one
        # towards 1/2.
        mean = scores.mean()
        end = mean - self.half_width if mean > 0.5 else mean + self.half_width
        if not 0 < end < 1:  # as wide as any
            return count
        return int(np.ceil(square / self.half_width**2 * end * (1 - end) / (mean * (1 - mean))))
