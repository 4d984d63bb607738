"""EpisodeSampler: (bank, task, seed) -> episodes, by number; and EpisodeList: episodes that are given."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.bank import ImageBank
from episodes.draw import Uniforms, generator_key, random_orders, uniform_numbers
from episodes.episode import EpisodeIndices, LabelledEpisodeBatch
from episodes.errors import DataError
from episodes.task import Task

BLOCK = 128  # episodes whose indices `each` draws together


class EpisodeSource:
    """Episodes by number, as tensors.

    Attributes:
        name: of where they come from, e.g. `glyphs/test`.
        device: where the tensors are.
    """

    name: str
    device: torch.device

    @property
    def one_shape(self) -> bool:
        """Whether all episodes have as many classes and images, so that several make a batch."""
        raise NotImplementedError

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episodes of the given numbers (each at least 0)."""
        raise NotImplementedError


class BankSource(EpisodeSource):
    """Episodes of a bank by number, as indices and as tensors.

    An episode's queries come in a random order, so that a query's place says nothing of its class. The order is a pure
    function of the bank's fingerprint and the episode's number, with a stream of its own.

    Args:
        bank: where from.
        device: where the images are kept, gathered and returned.
    """

    def __init__(self, bank: ImageBank, device: torch.device | str) -> None:
        self.bank = bank
        self.images = bank.images.to(device)
        self.name, self.device = bank.name, self.images.device
        self._order_key = generator_key(bank.fingerprint, "order of queries")

    def drawn(self, numbers: Iterable[int]) -> EpisodeIndices:
        """The episodes of the given numbers (each at least 0), as indices into the bank, queries class by class."""
        raise NotImplementedError

    def indices(self, numbers: Iterable[int]) -> EpisodeIndices:
        """The same with the queries of each episode in random order."""
        wanted = list(numbers)
        drawn = self.drawn(wanted)
        order = random_orders(self._order_key, wanted, drawn.query.shape[1])
        query, labels = (np.take_along_axis(part, order, 1) for part in (drawn.query, drawn.query_labels))
        return replace(drawn, query=query, query_labels=labels)

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episodes of the given numbers as uint8 tensors on the source's device, the support class by class."""
        drawn = self.indices(numbers)
        return LabelledEpisodeBatch(
            self._gather(self._on_device(drawn.support)),
            self._on_device(drawn.support_labels),
            self._gather(self._on_device(drawn.query)),
            drawn.classes.shape[1],
            self._gather(self._on_device(drawn.unlabelled)) if drawn.unlabelled.size else None,
            query_labels=self._on_device(drawn.query_labels),
        )

    def each(self, numbers: Iterable[int]) -> Iterator[LabelledEpisodeBatch]:
        """The same, one episode at a time as a batch of one: for images so large that a block leaves the CPU's cache.

        Their indices are still drawn in blocks, which is most of the work for a single task.
        """
        left = iter(numbers)
        while block := list(itertools.islice(left, BLOCK if self.one_shape else 1)):
            drawn = self.indices(block)
            parts = [drawn.support, drawn.query, drawn.unlabelled]
            sizes, ways = [part.shape[1] for part in parts], drawn.classes.shape[1]
            of_block = map(self._on_device, (np.concatenate(parts, axis=1), drawn.support_labels, drawn.query_labels))
            for rows, support_labels, query_labels in zip(*(torch.split(part, 1) for part in of_block), strict=True):
                # One read gives all images of an episode, and its parts are contiguous.
                support, query, unlabelled = torch.split(self._gather(rows), sizes, dim=1)
                pool = unlabelled if sizes[2] else None
                yield LabelledEpisodeBatch(support, support_labels, query, ways, pool, query_labels=query_labels)

    def _gather(self, rows: Tensor) -> Tensor:
        return self.images.index_select(0, rows.view(-1)).view(*rows.shape, *self.bank.image_shape)

    def _on_device(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(numbers.copy()).to(self.device)


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

    def __init__(self, bank: ImageBank, task: Task, seed: int, device: torch.device | str = "cpu") -> None:
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
        episodes: one `EpisodeIndices` of B = 1 an episode.
        device: where the images are kept, gathered and returned.

    Raises:
        DataError: if there are none.
    """

    def __init__(self, bank: ImageBank, episodes: Sequence[EpisodeIndices], device: torch.device | str = "cpu") -> None:
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
