"""Sinusoid: sine waves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from episodes.torchmeta.toy.regression import Floats, RegressionDataset, RegressionTask


class SinusoidTask(RegressionTask):
    """amplitude * sin(x - phase).

    Args:
        amplitude, phase: of the wave.
        others: see `RegressionTask`.
    """

    def __init__(
        self,
        index: int,
        amplitude: float,
        phase: float,
        inputs: Floats,
        noise_std: float | None,
        transform: Callable[[Any], Any] | None,
        target_transform: Callable[[Any], Any] | None,
        np_random: np.random.RandomState,
    ) -> None:
        self.amplitude = amplitude
        self.phase = phase
        super().__init__(index, inputs, self.function, noise_std, transform, target_transform, np_random)

    def function(self, inputs: Floats) -> Floats:
        return self.amplitude * np.sin(inputs - self.phase)


class Sinusoid(RegressionDataset):
    """Waves of amplitude in [0.1, 5] and phase in [0, pi], at points in [-5, 5] (Finn et al. 2017, section 5.1)."""

    @cached_property
    def amplitudes(self) -> Floats:
        return self.np_random.uniform(0.1, 5.0, size=self.num_tasks)

    @cached_property
    def phases(self) -> Floats:
        return self.np_random.uniform(0, np.pi, size=self.num_tasks)

    def task(self, index: int) -> SinusoidTask:
        return SinusoidTask(
            index,
            self.amplitudes[index],
            self.phases[index],
            self.uniform_inputs(),
            self.noise_std,
            self.transform,
            self.target_transform,
            self.np_random,
        )
