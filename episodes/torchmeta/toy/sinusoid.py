"""Sinusoid: sine waves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from episodes.torchmeta.toy.regression import Floats, RegressionDataset, RegressionTask

INPUT_RANGE = np.array([-5.0, 5.0])


class SinusoidTask(RegressionTask):
    """amplitude * sin(x - phase).

    Args:
        amplitude, phase: of the wave.
        input_range: the least and the greatest input.
        others: see `RegressionTask`.
    """

    def __init__(
        self,
        index: int,
        amplitude: float,
        phase: float,
        input_range: Floats,
        noise_std: float | None,
        num_samples: int,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        np_random: np.random.RandomState | None = None,
    ) -> None:
        self.amplitude = amplitude
        self.phase = phase
        self.input_range = input_range
        super().__init__(index, noise_std, num_samples, transform, target_transform, np_random)

    def draw(self, np_random: np.random.RandomState) -> Floats:
        return np_random.uniform(self.input_range[0], self.input_range[1], size=(self.num_samples, 1))

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
            INPUT_RANGE,
            self.noise_std,
            self.num_samples_per_task,
            self.transform,
            self.target_transform,
            self.np_random,
        )
