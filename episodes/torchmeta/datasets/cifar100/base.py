"""Classes of CIFAR-100, whichever the split."""

from pathlib import Path
from typing import Any

from episodes.banks.images import ImageBank
from episodes.torchmeta.datasets.bank_classes import BankClassDataset
from episodes.torchmeta.datasets.stored import Stored
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures


class CIFAR100Dataset(PictureClass):
    """The pictures of one class; see `PictureClass`. Their target is the pair of superclass and class."""

    def __init__(
        self,
        index: int,
        data: Any,
        coarse_label_name: str,
        fine_label_name: str,
        transform: Any = None,
        target_transform: Any = None,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__(index, data, (coarse_label_name, fine_label_name), transform, target_transform, pictures)
        self.coarse_label_name = coarse_label_name
        self.fine_label_name = fine_label_name


class CIFAR100ClassDataset(BankClassDataset):
    """Classes of CIFAR-100 (Krizhevsky 2009), 600 colour pictures of 32 x 32 each. A subclass says which."""

    folder = "cifar100"
    downloads = True
    subfolder: str

    def label(self, bank: ImageBank, number: int) -> list[str]:
        """Superclass and class."""
        return [bank.groups[number], bank.class_names[number]]

    def stored(self, place: Path) -> Stored:
        return Stored(place / "data.hdf5", place / self.subfolder / f"{self.meta_split}_labels.json", "/")

    def one_class(self, index: int, data: Any, label: Any, **arguments: Any) -> CIFAR100Dataset:
        return CIFAR100Dataset(index, data, *label, **arguments)
