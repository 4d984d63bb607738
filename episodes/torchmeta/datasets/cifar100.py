"""CIFAR-FS and FC100, two class splits of CIFAR-100, under torchmeta's names."""

from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset


class CIFAR100ClassDataset(BankClassDataset):
    """Classes of CIFAR-100 (Krizhevsky 2009), 600 colour pictures of 32 x 32 each."""

    folder = "cifar100"

    def label(self, number: int) -> list[str]:
        """Superclass and class."""
        return [self.bank.groups[number], self.bank.class_names[number]]


class CIFARFSClassDataset(CIFAR100ClassDataset):
    """The 64 / 16 / 20 classes of CIFAR-FS."""

    source = "cifar-fs"


class FC100ClassDataset(CIFAR100ClassDataset):
    """The 60 / 20 / 20 classes of FC100, of 12 / 4 / 4 superclasses."""

    source = "fc100"


class CIFARFS(BankMetaDataset):
    """Tasks of CIFAR-FS (Bertinetto et al. 2019)."""

    class_dataset = CIFARFSClassDataset


class FC100(BankMetaDataset):
    """Tasks of FC100 (Oreshkin et al. 2018)."""

    class_dataset = FC100ClassDataset
