"""SinusoidAndLine: half the tasks are sine waves, half are lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.torchmeta.toy.regression import Floats, RegressionTask
from episodes.torchmeta.toy.sinusoid import INPUT_RANGE, Sinusoid, SinusoidTask


class LinearTask(RegressionTask):
    """intercept + slope * x.

    Args:
        slope, intercept: of the line.
        input_range: the least and the greatest input.
        others: see `RegressionTask`.
    """

    def __init__(
        self,
        index: int,
        slope: float,
        intercept: float,
        input_range: Floats,
        noise_std: float | None,
        num_samples: int,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        np_random: np.random.RandomState | None = None,
    ) -> None:
        self.slope = slope
        self.intercept = intercept
        self.input_range = input_range
        super().__init__(index, noise_std, num_samples, transform, target_transform, np_random)

    def draw(self, np_random: np.random.RandomState) -> Floats:
        return np_random.uniform(self.input_range[0], self.input_range[1], size=(self.num_samples, 1))

    def function(self, inputs: Floats) -> Floats:
        return self.intercept + self.slope * inputs


class SinusoidAndLine(Sinusoid):
    """The sine waves of `Sinusoid`, and lines of slope and intercept in [-3, 3] (Finn, Xu and Levine 2018)."""

    @cached_property
    def slopes(self) -> Floats:
        return self.np_random.uniform(-3.0, 3.0, size=self.num_tasks)

    @cached_property
    def intercepts(self) -> Floats:
        return self.np_random.uniform(-3.0, 3.0, size=self.num_tasks)

    @cached_property
    def is_sinusoid(self) -> NDArray[np.bool_]:
        """Which tasks are sine waves: half of them."""
        drawn = np.arange(self.num_tasks) >= self.num_tasks // 2
        self.np_random.shuffle(drawn)
        return drawn

    def task(self, index: int) -> SinusoidTask | LinearTask:  # type: ignore[override]
        if self.is_sinusoid[index]:
            return super().task(index)
        return LinearTask(
            index,
            self.slopes[index],
            self.intercepts[index],
            INPUT_RANGE,
            self.noise_std,
            self.num_samples_per_task,
            self.transform,
            self.target_transform,
            self.np_random,
        )
