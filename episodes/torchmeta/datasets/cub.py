"""Caltech-UCSD Birds under torchmeta's names."""

from dataclasses import replace

from torchvision.transforms import Resize

from episodes.bank import ImageBank
from episodes.datasets import DataOptions
from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset
from episodes.torchmeta.transforms.utils import steps_of


class CUBClassDataset(BankClassDataset):
    """The 100 / 50 / 50 birds of the split by Chen et al. 2019.

    Differs from torchmeta: a bank's pictures are of one size. So they are read at the size to which `transform` resizes
    (126 where it does not), the shorter side to that size and the middle cropped to a square, and are handed so to
    `transform`.
    """

    folder = "cub"
    source = "cub"

    def read(self, options: DataOptions) -> ImageBank:
        asked = [step.size for step in steps_of(self.transform) if isinstance(step, Resize)]
        size = asked[0] if asked else 126
        return super().read(replace(options, image_size=size if isinstance(size, int) else max(size)))


class CUB(BankMetaDataset):
    """Tasks of Caltech-UCSD Birds-200-2011 (Wah et al. 2011; Hilliard et al. 2018)."""

    class_dataset = CUBClassDataset
