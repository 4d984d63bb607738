"""tiered-ImageNet under torchmeta's names."""

from functools import cached_property
from typing import Any

from episodes.banks.images import ImageBank
from episodes.datasets.images.tiered_imagenet import class_name
from episodes.datasets.splitting import published
from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures


class TieredImagenetDataset(PictureClass):
    """The pictures of one class; see `PictureClass`. Their target is the pair of category and class."""

    def __init__(
        self,
        index: int,
        data: Any,
        general_class_name: str,
        specific_class_name: str,
        transform: Any = None,
        target_transform: Any = None,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__(index, data, (general_class_name, specific_class_name), transform, target_transform, pictures)
        self.general_class_name = general_class_name
        self.specific_class_name = specific_class_name


class TieredImagenetClassDataset(BankClassDataset):
    """The 351 / 97 / 160 classes of 20 / 6 / 8 categories, colour pictures of 84 x 84.

    Attributes:
        labels: the classes as the authors' files call them, `brambling, Fringilla montifringilla`, in their order.
    """

    folder = "tieredimagenet"
    source = "tiered-imagenet"
    archive = "tiered-imagenet.tar"
    sort = False

    @cached_property
    def _words(self) -> dict[str, str]:
        """What the authors' files, and so torchmeta, call each class and each category."""
        content = published("tiered-imagenet")
        return {class_name(words): words for words in [*content["names"].values(), *content["superclasses"]]}

    @cached_property
    def _categories(self) -> dict[str, str]:
        content = published("tiered-imagenet")
        return {
            content["names"][wnid]: category for category, wnids in content["superclasses"].items() for wnid in wnids
        }

    def label(self, bank: ImageBank, number: int) -> str:
        return self._words[bank.class_names[number]]

    def one_class(self, index: int, data: Any, label: Any, **arguments: Any) -> TieredImagenetDataset:
        stored = getattr(data, "attrs", {}).get("label_general")  # as torchmeta wrote it
        category = self._categories.get(label, "") if stored is None else str(stored)
        return TieredImagenetDataset(index, data, category, label, **arguments)


class TieredImagenet(BankMetaDataset):
    """Tasks of tiered-ImageNet (Ren et al. 2018)."""

    class_dataset = TieredImagenetClassDataset
