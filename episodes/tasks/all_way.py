"""AllWayTask: all classes of a dataset at once, a few labelled items of each, and its whole test split as queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from episodes.episode import EpisodeIndices
from episodes.errors import DataError
from episodes.uniforms import Uniforms, distinct

if TYPE_CHECKING:
    from episodes.banks.bank import ItemBank, Kind


@dataclass(frozen=True)
class AllWayTask:
    """Episode i is the i-th draw of K labelled items per class; queries are the items that are held out.

    The protocol of CoOp (Zhou et al. 2022), SetFit (Tunstall et al. 2022) and MTEB's classification (Muennighoff et
    al. 2023).

    Attributes:
        shots: labelled items per class, drawn without replacement from those that are not held out.
        queries: the first so many held-out items of each class, or all that it has; None for all.

    Raises:
        DataError: if a number is out of its range.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")

    shots: int
    queries: int | None = None

    def __post_init__(self) -> None:
        if self.shots < 1:
            raise DataError(f"--shots {self.shots} is too small; give at least 1")
        if self.queries is not None and self.queries < 1:
            raise DataError(f"--queries {self.queries} is too small; give at least 1")

    @property
    def one_shape(self) -> bool:
        """False: an episode has a whole test split, so that one alone is as much as memory takes."""
        return False

    def check(self, bank: ItemBank, prefix: str = "--") -> None:
        if not bank.held_out:
            raise DataError(f"'{bank.name}' holds nothing out for queries; load it for {prefix}task all-way")
        left = bank.free
        fewest = int(left.argmin())
        if left[fewest] < self.shots:
            raise DataError(
                f"'{bank.name}' has {left[fewest]} training {bank.noun} of class '{bank.class_names[fewest]}'; "
                f"{prefix}shots {self.shots} asks for more: lower it"
            )

    def has_one_draw(self, bank: ItemBank) -> bool:
        """Whether every item that is not held out is in the support, so that there is but one task."""
        return bool((bank.free == self.shots).all())

    def numbers(self, bank: ItemBank) -> int:
        return bank.classes * self.shots

    def draw(self, bank: ItemBank, uniforms: Uniforms) -> EpisodeIndices:
        episodes, classes = len(uniforms), np.arange(bank.classes)
        held = np.asarray(bank.held_out, dtype=np.int64)
        asked = held if self.queries is None else np.minimum(held, self.queries)
        left = bank.free
        within = distinct(uniforms.take(bank.classes * self.shots).reshape(-1, self.shots), np.tile(left, episodes))
        support = np.tile(bank.class_starts, episodes)[:, None] + within
        query = np.concatenate(
            [np.arange(first, first + n) for first, n in zip(bank.class_starts + left, asked, strict=True)]
        )
        return EpisodeIndices(
            np.tile(classes, (episodes, 1)),
            support.reshape(episodes, -1),
            np.tile(classes.repeat(self.shots), (episodes, 1)),
            np.tile(query, (episodes, 1)),
            np.tile(classes.repeat(asked), (episodes, 1)),
            np.zeros((episodes, 0), dtype=np.int64),
        )
