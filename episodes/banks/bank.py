"""Bank: what every kind of data offers, so that tasks, samplers and learners need not know which kind it is."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["images", "functions"]

# What learners get of a bank's items: something that can be indexed, split, flattened over its first dimensions, and
# moved to a device.
Inputs: TypeAlias = "Tensor"


class Bank(Protocol):
    """One split of a dataset: items of one kind, or functions that have no items.

    Attributes:
        name: the dataset and split, for messages and records, e.g. `glyphs/test`.
        kind: `images`, or `functions` (few-shot regression).
        classes: how many; 0 for functions.
        class_names: one name per class, unique.
        class_sizes: the number of items of each class, each at least 1.
        groups: one name per class for what it belongs to (alphabet, script, superclass); may repeat.
        item_shape: of one input, as learners get it: (C, H, W) for images, (1,) for functions of one variable.
        fingerprint: 32 hexadecimal digits over the content, not over the name.
    """

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def classes(self) -> int: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def class_sizes(self) -> tuple[int, ...]: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def item_shape(self) -> tuple[int, ...]: ...
    @property
    def fingerprint(self) -> str: ...


class ItemBank:
    """Base of the banks whose items lie class by class in rows: what tasks are drawn from.

    A subclass is a `Bank` with a `gather`.
    """

    name: str
    kind: ClassVar[Kind]
    class_names: tuple[str, ...]
    class_sizes: tuple[int, ...]
    groups: tuple[str, ...]

    @property
    def item_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        raise NotImplementedError

    def gather(self, rows: Tensor) -> Inputs:
        """The items of the given rows `[...]` int64, `[..., *item_shape]`, on the device that the rows are on."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of items."""
        return int(self.sizes.sum())

    @property
    def classes(self) -> int:
        return len(self.class_names)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """`class_sizes` as an array, `[classes]` int64."""
        return np.asarray(self.class_sizes, dtype=np.int64)

    @cached_property
    def class_starts(self) -> NDArray[np.int64]:
        """The row of each class's first item, `[classes]` int64."""
        return np.cumsum(self.sizes) - self.sizes

    @cached_property
    def group_members(self) -> dict[str, list[int]]:
        """The numbers of the classes of each group, groups in the order of their first class."""
        members: dict[str, list[int]] = {}
        for number, group in enumerate(self.groups):
            members.setdefault(group, []).append(number)
        return members

    @cached_property
    def labels(self) -> Tensor:
        """The class of every item, `[M]` int64."""
        import torch  # which takes seconds, and reading records needs none of it

        return torch.repeat_interleave(torch.arange(self.classes), torch.tensor(self.class_sizes))
