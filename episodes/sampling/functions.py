"""Episodes of functions."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.functions import AMPLITUDES, INPUTS, PHASES, Sinusoids
from episodes.episode import LabelledEpisodeBatch
from episodes.sampling.source import EpisodeSource
from episodes.tasks.regression import RegressionTask
from episodes.uniforms import Uniforms, generator_key, uniform_numbers


class SinusoidSampler(EpisodeSource):
    """Draws sinusoids and points of them; episode i is a pure function of (split, task, seed, i).

    Args:
        functions: where from.
        task: how many points.
        seed: which sequence of episodes.
        device: where the tensors are to be.
    """

    def __init__(
        self, functions: Sinusoids, task: RegressionTask, seed: int, device: torch.device | str = "cpu"
    ) -> None:
        self.bank, self.device, self.task = functions, torch.device(device), task
        self._key = generator_key(functions.fingerprint, task, seed)

    @property
    def one_shape(self) -> bool:
        return self.task.one_shape

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episodes of the given numbers: inputs `[B, points, 1]` and outputs `[B, points]`, float32."""
        return self._batch(*self._draw(numbers))

    def shown(self, number: int) -> LabelledEpisodeBatch:
        return self.evenly([number])

    def evenly(self, numbers: Iterable[int], points: int = 201) -> LabelledEpisodeBatch:
        """The same episodes with evenly spaced queries over all inputs, for pictures."""
        amplitudes, phases, support, _ = self._draw(numbers)
        return self._batch(amplitudes, phases, support, np.linspace(*INPUTS, points)[None].repeat(len(support), axis=0))

    def _draw(self, numbers: Iterable[int]) -> list[NDArray[np.float64]]:
        """Amplitudes and phases `[B, 1]`, inputs of the support and of the queries `[B, points]`."""
        parts = ((AMPLITUDES, 1), (PHASES, 1), (INPUTS, self.task.shots), (INPUTS, self.task.queries))
        uniforms = Uniforms(uniform_numbers(self._key, numbers, sum(count for _, count in parts)))
        return [low + (high - low) * uniforms.take(count) for (low, high), count in parts]

    def _batch(
        self,
        amplitudes: NDArray[np.float64],
        phases: NDArray[np.float64],
        support: NDArray[np.float64],
        query: NDArray[np.float64],
    ) -> LabelledEpisodeBatch:
        outputs, query_outputs = (amplitudes * np.sin(inputs - phases) for inputs in (support, query))
        return LabelledEpisodeBatch(
            support=self._tensor(support[..., None]),
            support_labels=self._tensor(outputs),
            query=self._tensor(query[..., None]),
            query_labels=self._tensor(query_outputs),
            ways=self.task.ways,
        )

    def _tensor(self, values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)
