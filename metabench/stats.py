"""Means with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval.

    Attributes:
        mean: the sample mean.
        half_width: half of the interval: mean - half_width to mean + half_width; nan for a single value.
        count: how many values.
    """

    mean: float
    half_width: float
    count: int


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Estimate:
    """Mean and Student's t interval of independent values, e.g. the accuracies of n test tasks.

    Over tasks drawn with replacement the interval covers the draw of tasks alone: not the choice of test classes
    and images, nor the training seed.

    Raises:
        ValueError: if there is no value.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        raise ValueError("an interval needs at least one value; found none")
    if sample.size == 1:
        return Estimate(float(sample.mean()), float("nan"), 1)
    # The function itself: `stats.t.ppf` and `stats.sem` check their arguments for ten times as long as they compute.
    quantile = special.stdtrit(sample.size - 1, (1 + confidence) / 2)
    half_width = quantile * sample.std(ddof=1) / np.sqrt(sample.size)
    return Estimate(float(sample.mean()), float(half_width), sample.size)
