"""mini-ImageNet under torchmeta's names."""

from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset


class MiniImagenetClassDataset(BankClassDataset):
    """The 64 / 16 / 20 classes of Ravi and Larochelle's split, colour pictures of 84 x 84."""

    folder = "miniimagenet"
    source = "mini-imagenet"

    def label(self, number: int) -> str:
        """The class's WordNet number, which is what torchmeta calls it."""
        return self.bank.groups[number]


class MiniImagenet(BankMetaDataset):
    """Tasks of mini-ImageNet (Vinyals et al. 2016; Ravi and Larochelle 2017)."""

    class_dataset = MiniImagenetClassDataset
