"""torchmeta.datasets, those that metabench has: from torchmeta's own files, or from metabench's banks."""

from episodes.torchmeta.datasets import helpers
from episodes.torchmeta.datasets.cifar100 import CIFARFS, FC100
from episodes.torchmeta.datasets.cub import CUB
from episodes.torchmeta.datasets.miniimagenet import MiniImagenet
from episodes.torchmeta.datasets.omniglot import Omniglot
from episodes.torchmeta.datasets.tieredimagenet import TieredImagenet

__all__ = ["CIFARFS", "CUB", "FC100", "MiniImagenet", "Omniglot", "TieredImagenet", "helpers"]
