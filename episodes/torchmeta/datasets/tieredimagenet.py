"""tiered-ImageNet under torchmeta's names."""

from functools import cached_property
from typing import Any

from episodes.datasets.tiered_imagenet import class_name
from episodes.splitting import published
from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset


class TieredImagenetClassDataset(BankClassDataset):
    """The 351 / 97 / 160 classes of 20 / 6 / 8 categories, colour pictures of 84 x 84."""

    folder = "tieredimagenet"
    source = "tiered-imagenet"

    @cached_property
    def _words(self) -> dict[str, str]:
        """What the authors' files, and so torchmeta, call each class and each category."""
        content = published("tiered-imagenet")
        return {class_name(words): words for words in [*content["names"].values(), *content["superclasses"]]}

    def label(self, number: int) -> str:
        """The class as the authors' files have it, `brambling, Fringilla montifringilla`."""
        return self._words[self.bank.class_names[number]]

    def target(self, label: Any) -> tuple[str, str]:
        """Category and class."""
        return self._words[self.bank.groups[self.bank.class_names.index(class_name(label))]], label


class TieredImagenet(BankMetaDataset):
    """Tasks of tiered-ImageNet (Ren et al. 2018)."""

    class_dataset = TieredImagenetClassDataset
