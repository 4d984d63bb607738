"""CIFAR-FS under torchmeta's names."""

from episodes.torchmeta.datasets.bank_classes import BankMetaDataset
from episodes.torchmeta.datasets.cifar100.base import CIFAR100ClassDataset


class CIFARFSClassDataset(CIFAR100ClassDataset):
    """The 64 / 16 / 20 classes of CIFAR-FS."""

    source = subfolder = "cifar-fs"


class CIFARFS(BankMetaDataset):
    """Tasks of CIFAR-FS (Bertinetto et al. 2019)."""

    class_dataset = CIFARFSClassDataset
