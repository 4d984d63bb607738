"""mini-ImageNet under torchmeta's names."""

from typing import Any

from episodes.banks.images import ImageBank
from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures


class MiniImagenetDataset(PictureClass):
    """The pictures of one class; see `PictureClass`. Their target is the class's WordNet number."""

    def __init__(
        self,
        index: int,
        data: Any,
        class_name: str,
        transform: Any = None,
        target_transform: Any = None,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__(index, data, class_name, transform, target_transform, pictures)
        self.class_name = class_name


class MiniImagenetClassDataset(BankClassDataset):
    """The 64 / 16 / 20 classes of Ravi and Larochelle's split, colour pictures of 84 x 84."""

    folder = "miniimagenet"
    source = "mini-imagenet"
    archive = "mini-imagenet.tar.gz"

    def label(self, bank: ImageBank, number: int) -> str:
        """The class's WordNet number, which is what torchmeta calls it."""
        return bank.groups[number]

    def one_class(self, index: int, data: Any, label: Any, **arguments: Any) -> MiniImagenetDataset:
        return MiniImagenetDataset(index, data, label, **arguments)


class MiniImagenet(BankMetaDataset):
    """Tasks of mini-ImageNet (Vinyals et al. 2016; Ravi and Larochelle 2017)."""

    class_dataset = MiniImagenetClassDataset
