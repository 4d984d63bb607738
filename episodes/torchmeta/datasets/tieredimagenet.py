"""tiered-ImageNet under torchmeta's names."""

from typing import Any

from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset


class TieredImagenetClassDataset(BankClassDataset):
    """The 351 / 97 / 160 classes of 20 / 6 / 8 categories, colour pictures of 84 x 84."""

    folder = "tieredimagenet"
    source = "tiered-imagenet"

    def target(self, label: Any) -> tuple[str, str]:
        """Category and class."""
        return self.bank.groups[self.bank.class_names.index(label)], label


class TieredImagenet(BankMetaDataset):
    """Tasks of tiered-ImageNet (Ren et al. 2018)."""

    class_dataset = TieredImagenetClassDataset
