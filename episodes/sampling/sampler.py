"""EpisodeSampler draws episodes by number, EpisodeList has those that are given; `sampler` says which to take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

import numpy as np
import torch

from episodes.banks.bank import Bank, ItemBank, Kind
from episodes.episode import EpisodeIndices
from episodes.errors import DataError
from episodes.sampling.functions import SinusoidSampler
from episodes.sampling.source import BankSource, EpisodeSource
from episodes.sampling.spans import SpanSampler
from episodes.tasks.regression import RegressionTask
from episodes.tasks.spans import AllWaySpans
from episodes.tasks.task import Task
from episodes.uniforms import Uniforms, generator_key, uniform_numbers


class EpisodeSampler(BankSource):
    """Draws episodes at random; episode i is a pure function of (bank fingerprint, task, seed, i).

    Neither the batch size, nor the device, nor what was drawn before has a part in it: each episode reads its
    numbers from its own block of a counter-based generator (Philox, Salmon et al. 2011), so any episode can be
    drawn at any time, and every learner meets the same tasks.

    Args:
        bank: where from.
        task: how many, and which go together.
        seed: which sequence of episodes.
        device: where the images are kept, gathered and returned.

    Raises:
        DataError: if the bank has too few classes or images for the task.
    """

    def __init__(self, bank: ItemBank, task: Task, seed: int, device: torch.device | str = "cpu") -> None:
        task.check(bank)
        super().__init__(bank, device)
        self.task = task
        self._key = generator_key(bank.fingerprint, task, seed)

    @property
    def one_shape(self) -> bool:
        return self.task.one_shape

    def drawn(self, numbers: Iterable[int]) -> EpisodeIndices:
        uniform = uniform_numbers(self._key, numbers, self.task.numbers(self.bank))
        return self.task.draw(self.bank, Uniforms(uniform))


class EpisodeList(BankSource):
    """Episodes that were drawn before: read from a file, or published with a dataset.

    Args:
        bank: whose images they number.
        episodes: one `EpisodeIndices` of B = 1 per episode.
        device: where the images are kept, gathered and returned.

    Raises:
        DataError: if there are none.
    """

    def __init__(self, bank: ItemBank, episodes: Sequence[EpisodeIndices], device: torch.device | str = "cpu") -> None:
        super().__init__(bank, device)
        if not episodes:
            raise DataError(f"there are no tasks in the list for '{bank.name}'; give at least one")
        self.episodes = episodes

    def __len__(self) -> int:
        return len(self.episodes)

    @cached_property
    def one_shape(self) -> bool:  # asked before each block of tasks, and the list may be long
        shapes = {tuple(part.shape for part in vars(episode).values()) for episode in self.episodes}
        return len(shapes) == 1

    def drawn(self, numbers: Iterable[int]) -> EpisodeIndices:
        wanted = list(numbers)
        if max(wanted) >= len(self):
            raise DataError(f"there is no task {max(wanted)} for '{self.bank.name}': it has {len(self)}, from 0 on")
        return stack([self.episodes[number] for number in wanted])


def stack(episodes: Sequence[EpisodeIndices]) -> EpisodeIndices:
    """Several episodes as one.

    Raises:
        DataError: if they differ in their numbers of classes or images.
    """
    try:
        return EpisodeIndices(
            *(np.concatenate(parts) for parts in zip(*(vars(e).values() for e in episodes), strict=True))
        )
    except ValueError:
        raise DataError("episodes of different sizes do not make one batch; draw them one at a time") from None


# By the kind of bank: each takes the bank, a task of that kind, the seed and the device.
SAMPLERS: dict[Kind, Callable[..., EpisodeSource]] = {
    "images": EpisodeSampler,
    "text": EpisodeSampler,
    "functions": SinusoidSampler,
    "entities": SpanSampler,
    "questions": SpanSampler,
}


def sampler(
    bank: Bank, task: Task | RegressionTask | AllWaySpans, seed: int, device: torch.device | str = "cpu"
) -> EpisodeSource:
    """Episodes of items, of words or of functions, by the kind of the bank.

    Raises:
        DataError: if the bank cannot give such episodes.
    """
    if bank.kind not in task.kinds:
        raise DataError(f"'{bank.name}' has {bank.kind}, and {type(task).__name__} needs {' or '.join(task.kinds)}")
    return SAMPLERS[bank.kind](bank, task, seed, device)
