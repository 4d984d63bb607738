"""Omniglot under torchmeta's names: see `episodes.datasets.images.omniglot` for its source and licence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions
from episodes.datasets.images.omniglot import evaluation_alphabets, load_upright
from episodes.errors import DataError
from episodes.torchmeta.datasets.bank_classes import BankClassDataset
from episodes.torchmeta.datasets.stored import Stored
from episodes.torchmeta.datasets.utils import PARTS
from episodes.torchmeta.utils.data.dataset import CombinationMetaDataset
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures


class OmniglotDataset(PictureClass):
    """The drawings of one character; see `PictureClass`. Their target is its `character_name`.

    That is such as `images_background/Greek/character01`.
    """

    def __init__(
        self,
        index: int,
        data: Any,
        character_name: str,
        transform: Any = None,
        target_transform: Any = None,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__(index, data, character_name, transform, target_transform, pictures)
        self.character_name = character_name


class OmniglotClassDataset(BankClassDataset):
    """The characters of one split, each 20 grey pictures of 105 x 105 with white ink on black.

    Args:
        use_vinyals_split: 1,028 / 172 / 423 characters (Vinyals et al. 2016); else the 964 of images_background for
            meta-training and the 659 of images_evaluation for meta-test.
        others: see `BankClassDataset`.

    Raises:
        DataError: meta-validation without the Vinyals split; see `BankClassDataset`.
    """

    folder = "omniglot"
    source = "omniglot"
    downloads = True

    def __init__(
        self,
        root: str | Path,
        meta_train: bool = False,
        meta_val: bool = False,
        meta_test: bool = False,
        meta_split: str | None = None,
        use_vinyals_split: bool = True,
        transform: Callable[[Any], Any] | None = None,
        class_augmentations: list[Any] | None = None,
        download: bool = False,
    ) -> None:
        self.use_vinyals_split = use_vinyals_split
        self._evaluation = evaluation_alphabets()
        if (meta_val if meta_split is None else meta_split == "val") and not use_vinyals_split:
            raise DataError("there is meta-validation only with the Vinyals split; give use_vinyals_split=True")
        super().__init__(root, meta_train, meta_val, meta_test, meta_split, transform, class_augmentations, download)

    def read(self, options: DataOptions) -> ImageBank:
        split = "vinyals" if self.use_vinyals_split else "lake"
        dataset = load_upright(self.source, DataOptions(options.data_root, split, 105, download=options.download))
        bank: ImageBank = getattr(dataset, PARTS[self.meta_split])
        if self.meta_split == "train" and not self.use_vinyals_split:
            # The validation classes are metabench's own, of the background alphabets.
            return ImageBank.joined("omniglot/images_background", [bank, dataset.validation])
        return bank

    def stored(self, place: Path) -> Stored:
        labels = f"{'vinyals_' if self.use_vinyals_split else ''}{self.meta_split}_labels.json"
        return Stored(place / "data.hdf5", place / labels, "/")

    def label(self, bank: ImageBank, number: int) -> list[str]:
        """`images_background` or `images_evaluation`, alphabet, character."""
        part = "images_evaluation" if bank.groups[number] in self._evaluation else "images_background"
        return [part, *bank.class_names[number].split("/")]

    def one_class(self, index: int, data: Any, label: Any, **arguments: Any) -> OmniglotDataset:
        return OmniglotDataset(index, data, "/".join(label), **arguments)


class Omniglot(CombinationMetaDataset):
    """Tasks of the characters of one split (Lake et al. 2015).

    Args:
        use_vinyals_split: see `OmniglotClassDataset`.
        others: see `BankMetaDataset`.

    Raises:
        MissingData, DataError, TypeError: see `OmniglotClassDataset` and `BankMetaDataset`.
    """

    def __init__(
        self,
        root: str | Path,
        num_classes_per_task: int | None = None,
        meta_train: bool = False,
        meta_val: bool = False,
        meta_test: bool = False,
        meta_split: str | None = None,
        use_vinyals_split: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        dataset_transform: Callable[[Any], Any] | None = None,
        class_augmentations: list[Any] | None = None,
        download: bool = False,
    ) -> None:
        classes = OmniglotClassDataset(
            root,
            meta_train,
            meta_val,
            meta_test,
            meta_split,
            use_vinyals_split,
            transform,
            class_augmentations,
            download,
        )
        super().__init__(classes, num_classes_per_task, target_transform, dataset_transform)
