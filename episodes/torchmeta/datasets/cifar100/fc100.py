"""FC100 under torchmeta's names."""

from episodes.torchmeta.datasets.bank_classes import BankMetaDataset
from episodes.torchmeta.datasets.cifar100.base import CIFAR100ClassDataset


class FC100ClassDataset(CIFAR100ClassDataset):
    """The 60 / 20 / 20 classes of FC100, of 12 / 4 / 4 superclasses."""

    source = subfolder = "fc100"


class FC100(BankMetaDataset):
    """Tasks of FC100 (Oreshkin et al. 2018)."""

    class_dataset = FC100ClassDataset
