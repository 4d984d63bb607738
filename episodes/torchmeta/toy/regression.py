"""What the toy meta-datasets have in common: tasks (inputs, targets) drawn from a family of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.torchmeta.utils.data.dataset import MetaDataset
from episodes.torchmeta.utils.data.task import Task

Floats = NDArray[np.float64]


class RegressionTask(Task):
    """Points of one function: item i is the pair of arrays `[1]` (input, target), float64.

    A subclass gives `draw` and `function`, and has what these need before it calls this constructor.

    Args:
        index: its number in the meta-dataset.
        noise_std: standard deviation of the Gaussian noise on the targets; None for none.
        num_samples: how many points.
        transform, target_transform: see `Dataset`.
        np_random: where the inputs and the noise come from; None for a fresh seed.
    """

    def __init__(
        self,
        index: int,
        noise_std: float | None,
        num_samples: int,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        np_random: np.random.RandomState | None = None,
    ) -> None:
        super().__init__(index, None, transform, target_transform)
        np_random = np_random or np.random.RandomState()
        self.num_samples = num_samples
        self.noise_std = noise_std
        self._inputs = self.draw(np_random)
        self._targets = self.function(self._inputs)
        if noise_std is not None and noise_std > 0:
            self._targets = self._targets + noise_std * np_random.randn(num_samples, 1)

    def draw(self, np_random: np.random.RandomState) -> Floats:
        """Its inputs, `[num_samples, 1]`."""
        raise NotImplementedError

    def function(self, inputs: Floats) -> Floats:
        """Their targets without noise, of the same shape."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.num_samples

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        value, target = self._inputs[index], self._targets[index]
        return (
            value if self.transform is None else self.transform(value),
            target if self.target_transform is None else self.target_transform(target),
        )


class RegressionDataset(MetaDataset):
    """Tasks of functions whose coefficients are drawn once for all tasks, the points anew each time a task is read.

    A subclass gives `task`. As in torchmeta all numbers come from the generator that `seed` begins anew, so seed it
    before the first task is read.

    Args:
        num_samples_per_task: points of each.
        num_tasks: how many functions.
        noise_std, transform, target_transform: see `RegressionTask`.
        dataset_transform: see `MetaDataset`.
    """

    def __init__(
        self,
        num_samples_per_task: int,
        num_tasks: int = 1_000_000,
        noise_std: float | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        dataset_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(meta_split="train", target_transform=target_transform, dataset_transform=dataset_transform)
        self.num_samples_per_task = num_samples_per_task
        self.num_tasks = num_tasks
        self.noise_std = noise_std
        self.transform = transform

    def task(self, index: int) -> RegressionTask:
        """That task as a whole."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.num_tasks

    def __getitem__(self, index: int) -> Any:
        task = self.task(index)
        return task if self.dataset_transform is None else self.dataset_transform(task)
