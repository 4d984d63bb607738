"""EpisodeSource: episodes by number, as tensors; and BankSource: those of a bank, as indices too."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.bank import ImageBank
from episodes.draw import generator_key, random_orders
from episodes.episode import EpisodeIndices, LabelledEpisodeBatch

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
