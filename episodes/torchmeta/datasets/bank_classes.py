"""The classes of one split of a metabench dataset, and the tasks of them, under torchmeta's arguments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from episodes.bank import ImageBank
from episodes.datasets import DataOptions, load
from episodes.errors import DataError
from episodes.torchmeta.transforms.utils import steps_of
from episodes.torchmeta.utils.data.dataset import ClassDataset, CombinationMetaDataset
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures, recipe_of

PARTS = {"train": "train", "val": "validation", "test": "test"}


class MissingData(DataError, RuntimeError):  # noqa: N818 - it is an error because it is a DataError
    """The files are not there, or not whole: a RuntimeError, as torchmeta raises it."""


class BankClassDataset(ClassDataset):
    """A class dataset whose images are a bank's. A subclass names `folder` and `source`.

    Item i is the `PictureClass` of its class, in the order of `labels`.

    Args:
        root: the folder that holds the files, or has a folder named `folder` that does.
        meta_train, meta_val, meta_test, meta_split, class_augmentations: see `ClassDataset`.
        transform: applied to each picture. Pillow's; one of torchvision's that gives tensors makes batches fast.
        download: whether files that are missing may be downloaded, to `root`.

    Attributes:
        labels: one name a class, sorted.

    Raises:
        MissingData: the files are not there or not whole.
        DataError: see `ClassDataset`.
    """

    folder: str
    source: str

    def __init__(
        self,
        root: str | Path,
        meta_train: bool = False,
        meta_val: bool = False,
        meta_test: bool = False,
        meta_split: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        class_augmentations: list[Any] | None = None,
        download: bool = False,
    ) -> None:
        super().__init__(meta_train, meta_val, meta_test, meta_split, class_augmentations)
        self.root = Path(root).expanduser()
        self.transform = transform
        self.bank = self._find(download)
        labels = [self.label(number) for number in range(self.bank.classes)]
        self._numbers = np.array(sorted(range(len(labels)), key=labels.__getitem__))
        self.labels = [labels[number] for number in self._numbers]
        self._pictures: tuple[list[Any], Pictures | None] | None = None

    def read(self, options: DataOptions) -> ImageBank:
        """The bank of this split: that of the metabench dataset named `source`.

        Raises:
            DataError: the files are not where the options say, or not whole.
        """
        bank: ImageBank = getattr(load(self.source, options), PARTS[self.meta_split])
        return bank

    def label(self, number: int) -> Any:
        """What `labels` has for the bank's class of that number: its name."""
        return self.bank.class_names[number]

    def target(self, label: Any) -> Any:
        """What the images of a class have as target, before transforms: the label, a list as a tuple."""
        return tuple(label) if isinstance(label, list) else label

    def _find(self, download: bool) -> ImageBank:
        """The bank from the first folder that has it; with `download`, from the root in any case."""
        problem = None
        for place in (self.root / self.folder, self.root):
            if place.is_dir():
                try:
                    return self.read(DataOptions(place, download=False))
                except DataError as error:
                    problem = problem or error
        if download:
            self.root.mkdir(parents=True, exist_ok=True)
            return self.read(DataOptions(self.root))
        what = problem or f"there is no folder '{self.root}'"
        raise MissingData(
            f"{type(self).__name__} integrity check failed: {what} (download=True downloads what is missing)"
        )

    def __getitem__(self, index: int) -> PictureClass:
        place = index % self.num_classes
        return PictureClass(
            index,
            self.bank,
            self._numbers[place],
            self.target(self.labels[place]),
            self.get_transform(index, self.transform),
            self.get_target_transform(index),
            self.pictures,
        )

    @property
    def pictures(self) -> Pictures | None:
        """All images as the transform leaves them; None where only applying it tells."""
        steps = list(steps_of(self.transform))
        if self._pictures is None or self._pictures[0] != steps:
            recipe = recipe_of(self.transform, self.class_augmentations)
            made = recipe and Pictures(self.bank, self._numbers, self.class_augmentations, recipe)
            self._pictures = steps, made
        return self._pictures[1]

    @property
    def num_classes(self) -> int:
        return len(self.labels)


class BankMetaDataset(CombinationMetaDataset):
    """Tasks of the classes of one split. A subclass names its class dataset.

    Args:
        root, meta_train, meta_val, meta_test, meta_split, transform, class_augmentations, download: see
            `BankClassDataset`.
        num_classes_per_task, target_transform, dataset_transform: see `CombinationMetaDataset`.

    Raises:
        MissingData: the files are not there or not whole.
        DataError: no split or two, or fewer classes than a task needs.
        TypeError: `num_classes_per_task` is not an integer, `class_augmentations` not a list.
    """

    class_dataset: type[BankClassDataset]

    def __init__(
        self,
        root: str | Path,
        num_classes_per_task: int | None = None,
        meta_train: bool = False,
        meta_val: bool = False,
        meta_test: bool = False,
        meta_split: str | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        dataset_transform: Callable[[Any], Any] | None = None,
        class_augmentations: list[Any] | None = None,
        download: bool = False,
    ) -> None:
        classes = self.class_dataset(
            root, meta_train, meta_val, meta_test, meta_split, transform, class_augmentations, download
        )
        super().__init__(classes, num_classes_per_task, target_transform, dataset_transform)
