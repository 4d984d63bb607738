"""Recipes of tasks: how many classes and images an episode draws."""

from __future__ import annotations

from dataclasses import dataclass

from episodes.bank import ImageBank
from episodes.errors import DataError


@dataclass(frozen=True)
class FixedTask:
    """N-way K-shot: every episode has the same numbers.

    Attributes:
        ways: classes in an episode, at least 2.
        shots: labelled (support) images a class, at least 1.
        queries: images to be classified a class, at least 1.

    Raises:
        DataError: if a number is too small.
    """

    ways: int
    shots: int
    queries: int = 15

    def __post_init__(self) -> None:
        for name, least in (("ways", 2), ("shots", 1), ("queries", 1)):
            if getattr(self, name) < least:
                raise DataError(f"--{name} {getattr(self, name)} is too small; give at least {least}")

    def check(self, bank: ImageBank, prefix: str = "--") -> None:
        """Raise DataError if `bank` cannot give such an episode; `prefix` is what the numbers are called by."""
        if self.ways > bank.classes:
            raise DataError(
                f"'{bank.name}' has {bank.classes} classes; {prefix}ways {self.ways} needs at least {self.ways}"
            )
        smallest = min(range(bank.classes), key=bank.class_sizes.__getitem__)
        size = bank.class_sizes[smallest]
        if self.shots + self.queries > size:
            raise DataError(
                f"'{bank.name}' has {size} images of class '{bank.class_names[smallest]}'; {prefix}shots {self.shots} "
                f"and {prefix}queries {self.queries} need {self.shots + self.queries}: ask for fewer, or leave it out"
            )
