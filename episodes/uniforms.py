"""Random draws from uniform numbers, so that they are the same with any version of any generator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from episodes.errors import DataError


def generator_key(*parts: object) -> int:
    """The key of a counter-based generator, from the `repr` of what the draws are to depend on."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:16], "little")


def derived_seed(seed: int, purpose: str) -> int:
    """Another seed below 2^63 for one purpose: streams of other seeds or purposes are independent of it."""
    return generator_key(seed, purpose) >> 65


def uniform_numbers(key: int, numbers: Iterable[int], count: int) -> NDArray[np.float64]:
    """`[episodes, count]` doubles in [0, 1), each episode's own (see `_words`)."""
    return unit(_words(key, numbers, count))


def random_orders(key: int, numbers: Iterable[int], count: int) -> NDArray[np.int64]:
    """`[episodes, count]`: for each episode a random order of 0 to count - 1, each order equally likely."""
    return np.argsort(_words(key, numbers, count), axis=1)


def _words(key: int, numbers: Iterable[int], count: int) -> NDArray[np.uint64]:
    """`[episodes, count]` random words of 64 bits: episode i owns the generator's counters from `i * blocks`.

    The generator is Philox (Salmon et al. 2011). A run of consecutive episodes is one call, which is what makes
    sampling fast.
    """
    episodes = _whole(numbers)
    blocks = -(-count // 4)  # a Philox block is four 64-bit words
    runs = np.split(episodes, np.flatnonzero(np.diff(episodes) != 1) + 1)
    raw = [np.random.Philox(key=key, counter=int(run[0]) * blocks).random_raw(len(run) * blocks * 4) for run in runs]
    return np.concatenate(raw).reshape(len(episodes), blocks * 4)[:, :count]


def _whole(numbers: Iterable[int]) -> NDArray[np.int64]:
    """The numbers of episodes; raises DataError unless they are some whole numbers from 0 on."""
    given = list(numbers)
    found = np.asarray(given)
    if not given or found.ndim > 1 or found.dtype.kind not in "bi" or found.min() < 0:
        raise DataError(f"give numbers of episodes, whole and from 0 to 2^63 - 1; found {given!r:.80}")
    return found.astype(np.int64)


def unit(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Doubles in [0, 1) from a generator's raw 64-bit words, of which they keep the upper 53 bits."""
    return np.asarray((words >> np.uint64(11)) * 2.0**-53)


class Uniforms:
    """The numbers in [0, 1) that episodes may use, `[episodes, count]`, handed out column by column."""

    def __init__(self, numbers: NDArray[np.float64]) -> None:
        self.numbers = numbers
        self._used = 0

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, count: int) -> NDArray[np.float64]:
        """The next `count` numbers of each episode, `[episodes, count]`."""
        self._used += count
        return self.numbers[:, self._used - count : self._used]


def distinct(uniform: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row r, distinct integers below `sizes[r]`: the first steps of a Fisher-Yates shuffle.

    `uniform` is `[rows, draws]` in [0, 1); the result has its shape. Each row's items are in random order. A row whose
    size is below `draws` has all its items first; what follows them is not an item.
    """
    rows, draws = uniform.shape
    most = max(draws, int(sizes.max(initial=0)))
    steps = np.arange(draws)[:, None]
    left = sizes - steps if sizes.min(initial=draws) >= draws else np.maximum(sizes - steps, 0)
    chosen = steps + (uniform.T * left).astype(np.int64)
    places = chosen * rows + np.arange(rows)  # in the flat deck, whose columns are the rows' items: it is read by steps
    flat = np.repeat(np.arange(most), rows)
    deck = flat.reshape(most, rows)
    for step in range(draws):
        items = flat.take(places[step])
        flat[places[step]] = deck[step]
        deck[step] = items
    return deck[:draws].T


def below(uniform: NDArray[np.float64], sizes: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Integers below `sizes`, one for each number, each equally likely."""
    return (uniform * sizes).astype(np.int64)


def by_weight(uniform: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each row a column of `weights` `[rows, columns]`, as likely as its weight; `uniform` is `[rows]`.

    A column of weight 0 is never drawn; some column of each row must weigh more.
    """
    cumulative = np.cumsum(weights, axis=1)
    return np.asarray((cumulative <= uniform[:, None] * cumulative[:, -1:]).sum(1))
