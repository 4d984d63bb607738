"""SinusoidAndLine: half the tasks are sine waves, half are lines."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.torchmeta.toy.regression import Floats, RegressionTask
from episodes.torchmeta.toy.sinusoid import Sinusoid


class LinearTask(RegressionTask):
    """intercept + slope * x.

    Args:
        slope, intercept: of the line.
        others: see `RegressionTask`.
    """

    def __init__(
        self,
        index: int,
        slope: float,
        intercept: float,
        inputs: Floats,
        noise_std: float | None,
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
        np_random: np.random.RandomState,
    ) -> None:
        self.slope = slope
        self.intercept = intercept
        super().__init__(index, inputs, self.function, noise_std, transform, target_transform, np_random)

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

    def task(self, index: int) -> Any:
        if self.is_sinusoid[index]:
            return super().task(index)
        return LinearTask(
            index,
            self.slopes[index],
            self.intercepts[index],
            self.uniform_inputs(),
            self.noise_std,
            self.transform,
            self.target_transform,
            self.np_random,
        )
