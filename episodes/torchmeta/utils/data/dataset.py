"""Meta-datasets: datasets of which each item is a task."""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from torchvision.transforms import Compose

from episodes.errors import DataError
from episodes.torchmeta.transforms.categorical import Categorical, FixedCategory
from episodes.torchmeta.transforms.target_transforms import DefaultTargetTransform
from episodes.torchmeta.transforms.utils import seed_transform, wrap_transform
from episodes.torchmeta.utils.data.task import ConcatTask, Dataset

SPLITS = ("train", "val", "test")


class _Split:
    """Which of the three splits: exactly one of the flags, or the name.

    Where both are given the name says what is read, and the flags stay as they are: that is what torchmeta does.
    """

    def __init__(self, meta_train: bool, meta_val: bool, meta_test: bool, meta_split: str | None) -> None:
        flags = dict(zip(SPLITS, (meta_train, meta_val, meta_test), strict=True))
        flagged = [split for split, flag in flags.items() if flag]
        if len(flagged) > 1:
            raise DataError(f"exactly one of meta_train, meta_val and meta_test can be True; {len(flagged)} are")
        if not flagged and meta_split is None:
            raise DataError(
                'the meta-split is undefined; give meta_train=True (or meta_val, meta_test) or meta_split="train"'
            )
        chosen = flagged[0] if meta_split is None else meta_split
        if chosen not in SPLITS:
            raise DataError(f"unknown meta-split name '{chosen}'; give one of {', '.join(SPLITS)}")
        self.meta_split = chosen
        self.meta_train, self.meta_val, self.meta_test = (split in (flagged or [chosen]) for split in SPLITS)


class ClassDataset(_Split):
    """A dataset of classes: item i is the `Dataset` of one class. A subclass gives `__getitem__` and `num_classes`.

    Item i is class `i % num_classes`, as it is for i < num_classes, then once more by each augmentation.

    Args:
        meta_train, meta_val, meta_test: exactly one is True, or none and `meta_split` says which.
        meta_split: "train", "val" or "test"; it says what is read where a flag says otherwise.
        class_augmentations: a list of `Rotation([90, 180])` and the like.

    Attributes:
        labels: the names of the classes, which `NonEpisodicWrapper` needs.

    Raises:
        DataError: no split, two, or an unknown one.
        TypeError: `class_augmentations` is not a list.
    """

    labels: Sequence[Any]

    def __init__(
        self,
        meta_train: bool = False,
        meta_val: bool = False,
        meta_test: bool = False,
        meta_split: str | None = None,
        class_augmentations: list[Any] | None = None,
    ) -> None:
        super().__init__(meta_train, meta_val, meta_test, meta_split)
        if not isinstance(class_augmentations, list | None):
            raise TypeError(f"class_augmentations is a list, not {type(class_augmentations).__name__}")
        self.class_augmentations: list[Any] = []
        for transform in (transform for several in class_augmentations or [] for transform in several):
            if transform in self.class_augmentations:
                warnings.warn(f"the class augmentation {transform!r} is there twice; it is used once", stacklevel=2)
            else:
                self.class_augmentations.append(transform)

    def get_class_augmentation(self, index: int) -> Any:
        """The transform that makes item `index` of its class; None if it is the class as it is."""
        number = index // self.num_classes - 1
        return None if number < 0 else self.class_augmentations[number]

    def get_transform(self, index: int, transform: Callable[[Any], Any] | None = None) -> Any:
        """The augmentation of item `index`, then `transform`."""
        augmentation = self.get_class_augmentation(index)
        if augmentation is None:
            return transform
        return augmentation if transform is None else Compose([augmentation, transform])

    def get_target_transform(self, index: int) -> FixedCategory:
        """What adds the augmentation of item `index` to its class's name."""
        return FixedCategory(self.get_class_augmentation(index))

    def __getitem__(self, index: int) -> Dataset:
        raise NotImplementedError

    @property
    def num_classes(self) -> int:
        """The number of classes without their augmentations."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.num_classes * (len(self.class_augmentations) + 1)


class MetaDataset(_Split):
    """A dataset of tasks. A subclass gives `__getitem__` and `__len__`.

    Args:
        meta_train, meta_val, meta_test, meta_split: see `ClassDataset`.
        target_transform: applied to each target.
        dataset_transform: applied to each task, e.g. `ClassSplitter(...)`.

    Raises:
        DataError: no split, two, or an unknown one.
    """

    def __init__(
        self,
        meta_train: bool = False,
        meta_val: bool = False,
        meta_test: bool = False,
        meta_split: str | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        dataset_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(meta_train, meta_val, meta_test, meta_split)
        self.target_transform = target_transform
        self.dataset_transform = dataset_transform
        self.seed()

    def seed(self, seed: int | None = None) -> None:
        """Begin anew the random numbers of `sample_task` and of the `dataset_transform`; None takes a fresh seed."""
        self.np_random = np.random.RandomState(seed)
        seed_transform(self.dataset_transform, seed)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def sample_task(self) -> Any:
        """A task drawn at random."""
        return self[self.np_random.randint(len(self))]

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError


class CombinationMetaDataset(MetaDataset):
    """Every task of `num_classes_per_task` classes of a `ClassDataset`: indexed by a tuple of their numbers.

    Args:
        dataset: the classes.
        num_classes_per_task: the ways.
        target_transform: applied to each pair (class name, augmentation); each task has its own copy of a
            `Categorical`. None for `DefaultTargetTransform`.
        dataset_transform: see `MetaDataset`.

    Raises:
        TypeError: `num_classes_per_task` is not an integer.
        DataError: there are fewer classes than that.
    """

    def __init__(
        self,
        dataset: ClassDataset,
        num_classes_per_task: int | None,
        target_transform: Callable[[Any], Any] | None = None,
        dataset_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        if not isinstance(num_classes_per_task, int):
            raise TypeError(f"num_classes_per_task is an integer, not {type(num_classes_per_task).__name__}")
        if not 1 <= num_classes_per_task <= len(dataset):
            raise DataError(
                f"tasks of {num_classes_per_task} classes are not possible: the meta-{dataset.meta_split} split has "
                f"{len(dataset)} classes"
            )
        super().__init__(
            meta_train=dataset.meta_train,
            meta_val=dataset.meta_val,
            meta_test=dataset.meta_test,
            meta_split=dataset.meta_split,
            target_transform=target_transform or DefaultTargetTransform(dataset.class_augmentations),
            dataset_transform=dataset_transform,
        )
        self.dataset = dataset
        self.num_classes_per_task = num_classes_per_task

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in combinations(range(len(self.dataset)), self.num_classes_per_task))

    def sample_task(self) -> Any:
        """A task of different classes drawn at random."""
        return self[tuple(self.np_random.choice(len(self.dataset), self.num_classes_per_task, replace=False))]

    def __getitem__(self, index: Sequence[int]) -> Any:
        """The task of the classes with these numbers.

        Raises:
            DataError: not as many numbers as classes a task, or not a tuple of numbers.
        """
        ways = self.num_classes_per_task
        if not hasattr(index, "__len__") or len(index) != ways:
            raise DataError(
                f"a task is indexed by a tuple of {ways} class numbers, such as {(*range(ways),)}; got {index}"
            )
        own = wrap_transform(self.target_transform, self._unused, Categorical)
        task = ConcatTask([self.dataset[number] for number in index], ways, target_transform=own)
        return task if self.dataset_transform is None else self.dataset_transform(task)

    def _unused(self, transform: Categorical) -> Categorical:
        own = copy.deepcopy(transform)
        own.reset()
        own.num_classes = own.num_classes or self.num_classes_per_task
        return own

    @property
    def combinations(self) -> int:
        """The number of sets of classes, at most Python's greatest length."""
        return min(math.comb(len(self.dataset), self.num_classes_per_task), sys.maxsize)

    def __len__(self) -> int:
        """The number of sets of classes; Python's greatest length, with a warning, where there are more."""
        length = self.combinations
        if length == sys.maxsize:
            warnings.warn(
                f"there are C({len(self.dataset)}, {self.num_classes_per_task}) tasks, more than a length can be; "
                f"len() says {length}",
                stacklevel=2,
            )
        return length
