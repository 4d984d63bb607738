"""Sinusoids: few-shot regression, the first experiment of MAML (Finn, Abbeel, Levine 2017, section 5.1).

Each task is a function y = A sin(x - p) with A uniform in [0.1, 5], p in [0, pi] and x in [-5, 5]. There are no
files, no classes and no class split: functions are drawn, others for training, validation and test.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.bank import ImageBank
from episodes.datasets import DataOptions, Dataset
from episodes.draw import Uniforms, generator_key, uniform_numbers
from episodes.episode import LabelledEpisodeBatch
from episodes.errors import DataError
from episodes.regression_task import RegressionTask
from episodes.sampler import EpisodeSampler, EpisodeSource
from episodes.task import Task

AMPLITUDES, PHASES, INPUTS = (0.1, 5.0), (0.0, math.pi), (-5.0, 5.0)


@dataclass(frozen=True)
class Sinusoids:
    """A split of the functions y = A sin(x - p): A, p and x are uniform in `AMPLITUDES`, `PHASES` and `INPUTS`.

    All splits have this distribution. Their functions differ, since their draws depend on the name.

    Attributes:
        name: e.g. `sinusoid/test`.
    """

    image_shape: ClassVar[tuple[int, ...]] = (1,)  # of an input, which takes an image's place
    classes: ClassVar[int] = 0

    name: str

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over the distribution and the name."""
        return hashlib.sha256(repr((self.name, AMPLITUDES, PHASES, INPUTS)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class SinusoidDataset:
    """The three splits; what `Dataset` is for images."""

    name: str = "sinusoid"
    split: str = "none"
    train: Sinusoids = Sinusoids("sinusoid/train")
    validation: Sinusoids = Sinusoids("sinusoid/validation")
    test: Sinusoids = Sinusoids("sinusoid/test")


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
        self.name, self.device, self.task = functions.name, torch.device(device), task
        self._key = generator_key(functions.fingerprint, task, seed)

    @property
    def one_shape(self) -> bool:
        return True

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episodes of the given numbers: inputs `[B, points, 1]` and outputs `[B, points]`, float32."""
        return self._batch(*self._draw(numbers))

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


def sampler(
    bank: ImageBank | Sinusoids, task: Task | RegressionTask, seed: int, device: torch.device | str = "cpu"
) -> EpisodeSource:
    """Episodes of images or of functions, by what the bank is.

    Raises:
        DataError: if the bank cannot give such episodes.
    """
    if isinstance(bank, Sinusoids) and isinstance(task, RegressionTask):
        return SinusoidSampler(bank, task, seed, device)
    if isinstance(bank, Sinusoids) or isinstance(task, RegressionTask):
        raise DataError(f"'{bank.name}' does not give tasks of {type(task).__name__}; choose a learner that fits it")
    return EpisodeSampler(bank, task, seed, device)


def load(name: str, options: DataOptions) -> Dataset:
    """Always a DataError: what loads or mixes datasets by name expects images."""
    raise DataError(f"'{name}' has functions, no images; it goes alone, as --dataset {name}")


AnyDataset = Dataset | SinusoidDataset
