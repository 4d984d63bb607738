"""What a recipe of tasks is, and what recipes share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from episodes.episode import EpisodeIndices
from episodes.uniforms import Uniforms

if TYPE_CHECKING:
    from episodes.banks.bank import ItemBank, Kind

Groups = Literal["any", "within", "across"]


class Task(Protocol):
    """What `EpisodeSampler` asks of a recipe. Its `repr` is part of the key that episodes are drawn by."""

    kinds: ClassVar[tuple[Kind, ...]]  # of banks that it is drawn from

    @property
    def one_shape(self) -> bool:
        """Whether all episodes have as many classes and items, so that several make a batch."""

    def check(self, bank: ItemBank, prefix: str = "--") -> None:
        """Raise DataError if `bank` cannot give such an episode; `prefix` is what the numbers are called by."""

    def numbers(self, bank: ItemBank) -> int:
        """How many uniform numbers an episode of `bank` needs."""

    def draw(self, bank: ItemBank, uniforms: Uniforms) -> EpisodeIndices:
        """As many episodes as there are rows of numbers, each by its own row alone."""


def padded(groups: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Groups of classes as one table `[groups, largest]`, filled up with 0, and their sizes."""
    sizes = np.asarray([len(members) for members in groups], dtype=np.int64)
    table = np.zeros((len(groups), int(sizes.max(initial=0))), dtype=np.int64)
    for row, members in zip(table, groups, strict=True):
        row[: len(members)] = members
    return table, sizes
