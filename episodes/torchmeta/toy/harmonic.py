"""Harmonic: sums of two sine waves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from episodes.torchmeta.toy.regression import Floats, RegressionDataset, RegressionTask


class HarmonicTask(RegressionTask):
    """a1 * sin(f * x + b1) + a2 * sin(2 * f * x + b2).

    Args:
        domain: the mean of its inputs, whose standard deviation is 1.
        frequency: f.
        phases: b1, b2.
        amplitudes: a1, a2.
        others: see `RegressionTask`.
    """

    def __init__(
        self,
        index: int,
        domain: float,
        frequency: float,
        phases: Floats,
        amplitudes: Floats,
        noise_std: float | None,
        num_samples: int,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        np_random: np.random.RandomState | None = None,
    ) -> None:
        self.domain = domain
        self.frequency = frequency
        self.phases = phases
        self.amplitudes = amplitudes
        super().__init__(index, noise_std, num_samples, transform, target_transform, np_random)

    def draw(self, np_random: np.random.RandomState) -> Floats:
        return self.domain + np_random.randn(self.num_samples, 1)

    def function(self, inputs: Floats) -> Floats:
        waves = np.sin(self.frequency * np.array([1, 2]) * inputs + self.phases)  # [n, 2]
        return np.asarray((waves * self.amplitudes).sum(axis=1, keepdims=True))


class Harmonic(RegressionDataset):
    """Sums of a sine wave and its first harmonic (Lacoste et al. 2018).

    Frequencies are in [5, 7], phases in [0, 2 pi], amplitudes standard normal; inputs are normal around a mean in
    [-4, 4] that belongs to the task.

    Args:
        num_tasks: how many functions; 5,000.
        others: see `RegressionDataset`.
    """

    def __init__(
        self,
        num_samples_per_task: int,
        num_tasks: int = 5000,
        noise_std: float | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        dataset_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(num_samples_per_task, num_tasks, noise_std, transform, target_transform, dataset_transform)

    @cached_property
    def domains(self) -> Floats:
        return self.np_random.uniform(-4.0, 4.0, size=self.num_tasks)

    @cached_property
    def frequencies(self) -> Floats:
        return self.np_random.uniform(5.0, 7.0, size=self.num_tasks)

    @cached_property
    def phases(self) -> Floats:
        return self.np_random.uniform(0, 2 * np.pi, size=(self.num_tasks, 2))

    @cached_property
    def amplitudes(self) -> Floats:
        return self.np_random.randn(self.num_tasks, 2)

    def task(self, index: int) -> HarmonicTask:
        # The arguments are drawn in this order, as torchmeta draws them: a seed means the same tasks.
        return HarmonicTask(
            index,
            self.domains[index],
            self.frequencies[index],
            self.phases[index],
            self.amplitudes[index],
            self.noise_std,
            self.num_samples_per_task,
            self.transform,
            self.target_transform,
            self.np_random,
        )
