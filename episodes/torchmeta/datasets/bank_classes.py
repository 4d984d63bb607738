"""The classes of one split of a metabench dataset, and the tasks of them, under torchmeta's arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions
from episodes.datasets import load
from episodes.errors import DataError
from episodes.torchmeta.datasets.stored import MissingData, Stored, StoredPictures, key_of
from episodes.torchmeta.datasets.utils import PARTS
from episodes.torchmeta.transforms.utils import steps_of
from episodes.torchmeta.utils.data.dataset import ClassDataset, CombinationMetaDataset
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures, Stacked, recipe_of


class BankPictures(Mapping[str, Any]):
    """A bank's pictures by class, `[n, H, W]` or `[n, H, W, 3]` uint8.

    Args:
        bank: the pictures.
        numbers: which of its classes, by name.
    """

    def __init__(self, bank: ImageBank, numbers: dict[str, int]) -> None:
        self._bank = bank
        self._numbers = numbers

    def __getitem__(self, name: str) -> NDArray[Any]:
        number = self._numbers[name]
        start = int(self._bank.class_starts[number])
        images = self._bank.images[start : start + self._bank.class_sizes[number]].numpy()
        return images[:, 0] if images.shape[1] == 1 else images.transpose(0, 2, 3, 1)

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def stacked(self) -> Stacked:
        """The bank's tensor, and where each class begins in it."""
        return Stacked(self._bank.images, self._bank.class_starts[list(self._numbers.values())])


class BankClassDataset(ClassDataset):
    """A class dataset whose pictures are a bank's, or in files that torchmeta wrote.

    A subclass names `folder` and `source`. Item i is the `PictureClass` of its class, in the order of `labels`.

    Args:
        root: the folder that holds the files, or has a folder named `folder` that does.
        meta_train, meta_val, meta_test, meta_split, class_augmentations: see `ClassDataset`.
        transform: applied to each picture. Pillow's; one of torchvision's that gives tensors makes batches fast.
        download: whether files that are missing may be downloaded, to `root`.

    Attributes:
        labels: one name a class, sorted unless the class says otherwise; a list where it has several parts.
        data: the pictures by name, the parts with slashes between, each a sequence of arrays; see `PictureClass`.
        root: the folder as torchmeta has it.

    Raises:
        MissingData: the files are not there or not whole, or only as torchmeta wrote them and h5py is not installed.
        DataError: see `ClassDataset`.
    """

    folder: str
    source: str
    sort = True  # the labels; else they have the bank's order
    one_size = True  # of all pictures
    downloads = False  # whether its files can be had without their page
    archive = ""  # what torchmeta downloads them as, where they are not read from it

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
        self.root = str(Path(root).expanduser() / self.folder)
        self.transform = transform
        self.labels, self.data = self._find(download)
        self._pictures: tuple[list[Any], Pictures | None] | None = None

    def read(self, options: DataOptions) -> ImageBank:
        """The bank of this split: that of the metabench dataset named `source`.

        Raises:
            DataError: the files are not where the options say, or not whole.
        """
        bank: ImageBank = getattr(load(self.source, options), PARTS[self.meta_split])
        return bank

    def contents(self, options: DataOptions) -> tuple[list[Any], Mapping[str, Any]]:
        """What `labels` and `data` are.

        Raises:
            DataError: see `read`.
        """
        bank = self.read(options)
        labels = [self.label(bank, number) for number in range(bank.classes)]
        order = sorted(range(len(labels)), key=labels.__getitem__) if self.sort else range(len(labels))
        return [labels[number] for number in order], BankPictures(bank, {key_of(labels[i]): i for i in order})

    def label(self, bank: ImageBank, number: int) -> Any:
        """What `labels` has for the bank's class of that number: its name."""
        return bank.class_names[number]

    def stored(self, place: Path) -> Stored:
        """The files of this split that torchmeta would have written to that folder."""
        names = (f"{self.meta_split}_data.hdf5", f"{self.meta_split}_labels.json")
        return Stored(place / names[0], place / names[1], "datasets")

    def one_class(self, index: int, data: Any, label: Any, **arguments: Any) -> PictureClass:
        """The dataset of one class.

        Args:
            index, data: see `PictureClass`.
            label: as in `labels`.
            arguments: the others of `PictureClass`.
        """
        return PictureClass(index, data, tuple(label) if isinstance(label, list) else label, **arguments)

    def close(self) -> None:
        """Close the file that torchmeta wrote, which is opened anew when it is needed, and forget what was made."""
        if isinstance(self.data, StoredPictures):
            self.data.close()
        self._pictures = None

    def _find(self, download: bool) -> tuple[list[Any], Mapping[str, Any]]:
        """From the first folder that has the files; with `download`, from the root in any case."""
        problem: DataError | None = None
        own, root = Path(self.root), Path(self.root).parent
        for place in (own, root):
            try:
                if (stored := self.stored(place)).there():
                    return stored.read()
            except MissingData as error:
                problem = problem or error
            try:
                if place.is_dir():
                    return self.contents(DataOptions(place, download=False))
            except DataError as error:
                problem = problem or error
        if download:
            root.mkdir(parents=True, exist_ok=True)
            return self.contents(DataOptions(root))
        what = problem or f"there is no folder '{root}'"
        advice = " (download=True downloads what is missing)" if self.downloads else ""
        if left := [place / self.archive for place in (own, root) if self.archive and (place / self.archive).is_file()]:
            advice = f" (unpack '{left[0]}' where it is)"
        raise MissingData(f"{type(self).__name__} integrity check failed: {what}{advice}")

    def __getitem__(self, index: int) -> PictureClass:
        label = self.labels[index % self.num_classes]
        return self.one_class(
            index,
            self.data[key_of(label)],
            label,
            transform=self.get_transform(index, self.transform),
            target_transform=self.get_target_transform(index),
            pictures=self.pictures,
        )

    @property
    def pictures(self) -> Pictures | None:
        """All pictures as the transform leaves them; None where only applying it tells, or memory is too small."""
        steps = list(steps_of(self.transform))
        if self._pictures is None or self._pictures[0] != steps:
            recipe = recipe_of(self.transform, self.class_augmentations, one_size=self.one_size)
            stacked = self.data.stacked() if isinstance(self.data, BankPictures) else None
            names = [key_of(label) for label in self.labels]
            self._pictures = steps, None
            if recipe is not None:
                with suppress(DataError):  # more than memory takes, which reading them one by one does not need
                    made = Pictures(self.data, names, self.class_augmentations, recipe, stacked)
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
