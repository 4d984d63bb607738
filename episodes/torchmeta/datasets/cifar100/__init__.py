"""CIFAR-FS and FC100, two class splits of CIFAR-100, under torchmeta's names."""

from episodes.torchmeta.datasets.cifar100.cifar_fs import CIFARFS
from episodes.torchmeta.datasets.cifar100.fc100 import FC100

__all__ = ["CIFARFS", "FC100"]
