"""NamedTask: tasks whose classes are named, such as cat, sheep, boar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from episodes.errors import DataError, nearest
from episodes.tasks.fixed import FixedTask
from episodes.uniforms import Uniforms, below, distinct

if TYPE_CHECKING:
    from episodes.banks.bank import ItemBank, Kind


@dataclass(frozen=True, repr=False)
class NamedTask(FixedTask):
    """Every episode is one of the named tasks, each equally likely; its images and the order of its classes are drawn.

    Attributes:
        names: a tuple of class names per task, as many as `ways`, none twice in one task.

    Raises:
        DataError: the numbers do not fit, or `groups` or `distractors` ask for a choice of classes.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")

    names: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups != "any" or self.distractors:
            raise DataError("named tasks leave no class to be chosen; leave --groups and --distractors out")
        for names in self.names:
            if len(names) != self.ways or len(set(names)) != self.ways:
                raise DataError(
                    f"the named task '{','.join(names)}' has {len(set(names))} classes, where --ways is {self.ways}; "
                    "give all named tasks the same number of classes, each class once"
                )
        if not self.names:
            raise DataError("a named task needs class names, e.g. cat,sheep,boar")

    def _check_classes(self, bank: ItemBank, wanted: int, prefix: str, asked: str) -> None:
        class_numbers(bank, (name for names in self.names for name in names))

    def numbers(self, bank: ItemBank) -> int:
        return 1 + super().numbers(bank)

    def _choose_classes(self, bank: ItemBank, uniforms: Uniforms) -> NDArray[np.int64]:
        table = np.asarray([class_numbers(bank, names) for names in self.names])
        tasks = below(uniforms.take(1), len(table))
        order = distinct(uniforms.take(self.ways), np.full(len(uniforms), self.ways))
        return table[tasks, order]


def class_numbers(bank: ItemBank, names: Iterable[str]) -> list[int]:
    """The numbers of the classes of these names.

    Raises:
        DataError: a name that the bank does not have; gives the nearest that it has.
    """
    known = {name: number for number, name in enumerate(bank.class_names)}
    numbers = []
    for name in names:
        if name not in known:
            raise DataError(f"'{bank.name}' has no class '{name}'{nearest(name, known)}")
        numbers.append(known[name])
    return numbers
