"""RegressionTask: K points of a function are known, and others asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from episodes.errors import DataError

if TYPE_CHECKING:
    from episodes.banks.bank import Bank, Kind


@dataclass(frozen=True)
class RegressionTask:
    """K-shot regression: every episode is a function of its own, known at some points and asked for at others.

    Attributes:
        shots: known (support) points, at least 1.
        queries: points to be predicted, at least 1.

    Raises:
        DataError: if a number is out of its range.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("functions",)
    ways: ClassVar[int] = 1  # one output
    variant: ClassVar[dict[str, object]] = {}  # as of FixedTask: there is no other than the plain one

    shots: int
    queries: int = 15

    @property
    def images(self) -> int:
        """Points in an episode."""
        return self.shots + self.queries

    @property
    def one_shape(self) -> bool:
        """All episodes have as many points."""
        return True

    def check(self, bank: Bank, prefix: str = "--") -> None:
        """As of FixedTask: of a function any number of points can be drawn."""

    def __post_init__(self) -> None:
        for name in ("shots", "queries"):
            if getattr(self, name) < 1:
                raise DataError(f"--{name} {getattr(self, name)} is too small; give at least 1")
