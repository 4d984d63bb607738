"""Bank: what every kind of data offers, so that tasks, samplers and learners need not know which kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from episodes.errors import DataError, readable

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["images", "text", "functions", "entities", "questions"]
SPANS: tuple[Kind, ...] = ("entities", "questions")  # whose items are the words of sentences, many in a row of the bank
TEXTS: tuple[Kind, ...] = ("text", *SPANS)  # that tokenizers and people read

# What learners get of a bank's items: pixels of images, int32 token ids of text (0 is padding), numbers of functions.
# Text too is one tensor, so that whatever indexes, splits or flattens items does so with every kind.
Inputs: TypeAlias = "Tensor"


class Bank(Protocol):
    """One split of a dataset: items of one kind, or functions that have no items.

    Attributes:
        name: the dataset and split, for messages and records, e.g. `glyphs/test`.
        kind: `images`, `text`, `functions` (few-shot regression), or words of sentences, which are in or outside of
            what is looked for: `entities` and `questions` (see `episodes.banks.spans`).
        classes: how many; 0 for functions.
        class_names: one name per class, unique.
        class_sizes: the number of items of each class, each at least 1.
        groups: one name per class for what it belongs to (alphabet, script, superclass); may repeat.
        item_shape: of one input, as learners get it: (C, H, W) for images, (1,) for functions of one variable, and for
            text `episodes.banks.vocabulary.TextShape`.
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

    Attributes:
        noun: what messages call its items.
        held_out: of each class, how many of its last items are for queries alone; empty where any item may be either.
    """

    name: str
    kind: ClassVar[Kind]
    noun: ClassVar[str]
    class_names: tuple[str, ...]
    class_sizes: tuple[int, ...]
    groups: tuple[str, ...]
    held_out: tuple[int, ...] = ()

    @property
    def item_shape(self) -> tuple[int, ...]:
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        raise NotImplementedError

    def gather(self, rows: Tensor) -> Inputs:
        """The items of the given rows `[...]` int64, `[..., *item_shape]`, on the device that the rows are on."""
        raise NotImplementedError

    def items_of(self, rows: Tensor) -> Tensor:
        """The numbers of the items in the given rows: these themselves, unless a row is a sentence of many words."""
        return rows

    def gather_alike(self, parts: Sequence[Tensor]) -> list[Inputs]:
        """What `gather` gives of each of several arrays of rows, so that items of any of them go into one tensor."""
        return [self.gather(rows) for rows in parts]

    def by_length(self, rows: Tensor) -> Tensor:
        """The rows `[n]` in an order in which neighbours take as much work; any order where all items do."""
        return rows

    def select(self, name: str, classes: Sequence[int]) -> Self:
        """A bank of only the given classes (indices), in the given order; what is held out of them stays so."""
        raise NotImplementedError

    def at(self, name: str, rows: NDArray[np.int64]) -> Self:
        """A bank of only the given rows, class by class in the bank's order of classes; each class keeps at least one.

        None of its items is held out.
        """
        raise NotImplementedError

    def renamed(self, name: str, prefix: str = "") -> Self:
        """The same under another name, with a prefix to the names of its classes and groups."""
        raise NotImplementedError

    def fitted(self, shape: tuple[int, ...]) -> Self:
        """Its items brought to the `item_shape` of another bank of its kind."""
        raise NotImplementedError

    @classmethod
    def joined(cls, name: str, banks: Sequence[Any]) -> Self:
        """One bank of the classes of several of this kind and shape, in their order; no class name twice.

        What is held out stays so, and is of all of them or of none.
        """
        raise NotImplementedError

    def item_digests(self) -> list[int]:
        """One number per item, `[M]`: the same for a copy, hardly ever for another."""
        raise NotImplementedError

    def check_classes(self, items: int) -> None:
        """Raise DataError if names, sizes and groups do not fit together, or not so many items."""
        classes = len(self.class_names)
        if not classes == len(self.class_sizes) == len(self.groups) or classes != len(set(self.class_names)):
            raise DataError(f"bank '{self.name}' needs one unique name, one size and one group per class")
        if odd := [name for name in self.class_names if readable(name) != name]:
            raise DataError(f"bank '{self.name}' has a class whose name is not UTF-8, '{readable(odd[0])}'; rename it")
        if classes == 0 or min(self.class_sizes) < 1 or sum(self.class_sizes) != items:
            raise DataError(
                f"bank '{self.name}': {classes} class sizes that add up to {sum(self.class_sizes)} "
                f"do not fit {items} {self.noun}"
            )
        fits = not self.held_out or len(self.held_out) == classes
        if not fits or any(not 0 < held < size for held, size in zip(self.held_out, self.class_sizes, strict=False)):
            raise DataError(f"bank '{self.name}' needs a number of held-out {self.noun} per class, fewer than it has")

    def held_out_of(self, classes: Sequence[int]) -> tuple[int, ...]:
        """`held_out` of only the given classes."""
        return tuple(self.held_out[number] for number in classes) if self.held_out else ()

    @property
    def free(self) -> NDArray[np.int64]:
        """How many items of each class are not held out, `[classes]`."""
        return self.sizes - np.asarray(self.held_out or 0, dtype=np.int64)

    @property
    def held_out_items(self) -> NDArray[np.bool_]:
        """Which items are held out, `[M]`."""
        within = np.arange(len(self)) - self.class_starts.repeat(self.sizes)
        return np.asarray(within >= self.free.repeat(self.sizes))

    def refuse_held_out(self, option: str) -> None:
        """Raise DataError if any items are held out, which do not go with an option of tasks."""
        if self.held_out:
            raise DataError(
                f"'{self.name}' has {self.noun} for queries alone; {option} does not go with it: leave it out"
            )

    def rows_of(self, classes: Sequence[int]) -> NDArray[np.int64]:
        """The rows of the items of the given classes, in the given order."""
        starts, sizes = self.class_starts, self.sizes
        return np.concatenate([np.arange(starts[c], starts[c] + sizes[c]) for c in classes] or [np.zeros(0, np.int64)])

    def sizes_at(self, rows: NDArray[np.int64]) -> tuple[int, ...]:
        """How many of the rows are of each class."""
        numbers = np.searchsorted(self.class_starts, rows, side="right") - 1
        return tuple(np.bincount(numbers, minlength=self.classes).tolist())

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
        import torch  # which takes seconds, and reading records does not need it

        return torch.repeat_interleave(torch.arange(self.classes), torch.tensor(self.class_sizes))
