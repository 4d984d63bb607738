"""EpisodeSampler: (bank, task, seed) -> episodes, by number."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.bank import ImageBank
from episodes.episode import EpisodeBatch
from episodes.task import FixedTask


@dataclass(frozen=True, eq=False)
class EpisodeIndices:
    """Which images B episodes draw: indices into the bank.

    Attributes:
        classes: `[B, N]` int64.
        support: `[B, N, K]` int64, image numbers.
        query: `[B, N, q]` int64, image numbers; none of them in `support`.
    """

    classes: NDArray[np.int64]
    support: NDArray[np.int64]
    query: NDArray[np.int64]


class EpisodeSampler:
    """Draws episodes at random; episode i is a pure function of (bank fingerprint, task, seed, i).

    Neither the batch size, nor the device, nor what was drawn before has a part in it: each episode reads its
    numbers from its own block of a counter-based generator (Philox, Salmon et al. 2011), so any episode can be
    drawn at any time, and every learner meets the same tasks. Classes and images are drawn without replacement
    within an episode, uniformly.

    Args:
        bank: where from.
        task: how many.
        seed: which sequence of episodes.
        device: where the images are kept, gathered and returned.

    Raises:
        DataError: if the bank has too few classes or images for the task.
    """

    def __init__(self, bank: ImageBank, task: FixedTask, seed: int, device: torch.device | str = "cpu") -> None:
        task.check(bank)
        self.bank = bank
        self.task = task
        self.images = bank.images.to(device)
        key = hashlib.sha256(repr((bank.fingerprint, task, seed)).encode()).digest()[:16]
        self._key = int.from_bytes(key, "little")
        self._sizes = np.asarray(bank.class_sizes, dtype=np.int64)
        labels = torch.arange(task.ways, device=self.images.device)
        self._support_labels = labels.repeat_interleave(task.shots)
        self._query_labels = labels.repeat_interleave(task.queries)

    def indices(self, numbers: Iterable[int]) -> EpisodeIndices:
        """The episodes of the given numbers (each at least 0), as indices into the bank."""
        task = self.task
        drawn = task.shots + task.queries
        uniform = self._uniform(np.fromiter(numbers, dtype=np.int64), task.ways * (1 + drawn))
        episodes = len(uniform)
        classes = _draw(uniform[:, : task.ways], np.full(episodes, self.bank.classes))
        within = _draw(uniform[:, task.ways :].reshape(-1, drawn), self._sizes[classes.ravel()])
        images = self.bank.class_starts[classes][..., None] + within.reshape(episodes, task.ways, drawn)
        return EpisodeIndices(classes, images[..., : task.shots], images[..., task.shots :])

    def batch(self, numbers: Iterable[int]) -> EpisodeBatch:
        """The episodes of the given numbers as uint8 tensors on the sampler's device, class by class in order."""
        indices = self.indices(numbers)
        support_labels, query_labels = self.labels(len(indices.classes))
        support, query = self._gather(indices.support), self._gather(indices.query)
        return EpisodeBatch(support, support_labels, query, query_labels, self.task.ways)

    def labels(self, episodes: int) -> tuple[Tensor, Tensor]:
        """Support labels `[episodes, N*K]` and query labels `[episodes, N*q]`, the same in every episode."""
        return self._support_labels.expand(episodes, -1), self._query_labels.expand(episodes, -1)

    def _gather(self, indices: NDArray[np.int64]) -> Tensor:
        rows = torch.from_numpy(indices.reshape(-1)).to(self.images.device)
        return self.images.index_select(0, rows).view(len(indices), -1, *self.bank.image_shape)

    def _uniform(self, numbers: NDArray[np.int64], count: int) -> NDArray[np.float64]:
        """`[episodes, count]` doubles in [0, 1): episode i owns the generator's counters from `i * blocks`.

        A run of consecutive episodes is one call, which is what makes sampling fast.
        """
        blocks = -(-count // 4)  # a Philox block is four 64-bit words
        runs = np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1)
        raw = [
            np.random.Philox(key=self._key, counter=int(run[0]) * blocks).random_raw(len(run) * blocks * 4)
            for run in runs
        ]
        words = np.concatenate(raw).reshape(len(numbers), blocks * 4)[:, :count]
        return np.asarray((words >> np.uint64(11)) * 2.0**-53)


def _draw(uniform: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row r, distinct integers below `sizes[r]`: the first steps of a Fisher-Yates shuffle.

    `uniform` is `[rows, draws]` in [0, 1); the result has its shape. Each row's items are in random order.
    """
    rows, draws = uniform.shape
    most = int(sizes.max(initial=0))
    steps = np.arange(draws)[:, None]
    chosen = steps + (uniform.T * (sizes - steps)).astype(np.int64)
    places = chosen * rows + np.arange(rows)  # in the flat deck, whose columns are the rows' items: it is read by steps
    flat = np.repeat(np.arange(most), rows)
    deck = flat.reshape(most, rows)
    for step in range(draws):
        items = flat.take(places[step])
        flat[places[step]] = deck[step]
        deck[step] = items
    return deck[:draws].T
