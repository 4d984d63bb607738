"""EpisodeSource: episodes by number, as tensors; and BankSource: those of a bank, as indices too."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.bank import Bank, ItemBank
from episodes.episode import EpisodeIndices, LabelledEpisodeBatch
from episodes.uniforms import generator_key, random_orders

BLOCK = 128  # episodes whose indices `each` draws together


class EpisodeSource:
    """Episodes by number, as tensors.

    Attributes:
        bank: where they come from.
        device: where the tensors are.
    """

    bank: Bank
    device: torch.device

    @property
    def name(self) -> str:
        """Of the bank, e.g. `glyphs/test`."""
        return self.bank.name

    @property
    def one_shape(self) -> bool:
        """Whether all episodes have as many classes and images, so that several make a batch."""
        raise NotImplementedError

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episodes of the given numbers (each at least 0)."""
        raise NotImplementedError

    def truth(self, numbers: Iterable[int]) -> Any:
        """What predictions of the episodes are scored by, where that is more than the labels of the queries."""
        return None

    def shown(self, number: int) -> LabelledEpisodeBatch:
        """An episode as a picture shows it, which may be with other queries."""
        return self.batch([number])


class BankSource(EpisodeSource):
    """Episodes of a bank by number, as indices and as tensors.

    An episode's queries come in a random order, and so do its unlabelled images, so that a place says nothing of the
    class. Each order is a pure function of the bank's fingerprint and the episode's number, with a stream of its own.

    Args:
        bank: where from.
        device: where the images are kept, gathered and returned.
    """

    bank: ItemBank

    def __init__(self, bank: ItemBank, device: torch.device | str) -> None:
        self.bank, self.device = bank, torch.empty(0, device=device).device
        self._order_key = generator_key(bank.fingerprint, "order of queries")
        self._pool_key = generator_key(bank.fingerprint, "order of unlabelled")

    def drawn(self, numbers: Iterable[int]) -> EpisodeIndices:
        """The episodes of the given numbers (each at least 0), as indices into the bank, class by class."""
        raise NotImplementedError

    def indices(self, numbers: Iterable[int]) -> EpisodeIndices:
        """The same with the queries and the unlabelled images of each episode in random order."""
        wanted = list(numbers)
        drawn = self.drawn(wanted)
        order = random_orders(self._order_key, wanted, drawn.query.shape[1])
        query, labels = (np.take_along_axis(part, order, 1) for part in (drawn.query, drawn.query_labels))
        pool = drawn.unlabelled
        pool = np.take_along_axis(pool, random_orders(self._pool_key, wanted, pool.shape[1]), 1) if pool.size else pool
        return replace(drawn, query=query, query_labels=labels, unlabelled=pool)

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episodes of the given numbers as compact tensors (see `Inputs`) on the source's device, the support
        class by class."""
        drawn = self.indices(numbers)
        parts = [drawn.support, drawn.query, *([drawn.unlabelled] if drawn.unlabelled.size else [])]
        support, query, *pool = self.bank.gather_alike([self._on_device(rows) for rows in parts])
        return LabelledEpisodeBatch(
            support,
            self._on_device(drawn.support_labels),
            query,
            drawn.classes.shape[1],
            pool[0] if pool else None,
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
                support, query, unlabelled = torch.split(self.bank.gather(rows), sizes, dim=1)
                pool = unlabelled if sizes[2] else None
                yield LabelledEpisodeBatch(support, support_labels, query, ways, pool, query_labels=query_labels)

    def _on_device(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(numbers.copy()).to(self.device)
