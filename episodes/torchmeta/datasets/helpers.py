"""Meta-datasets of N-way K-shot tasks with the usual transforms, in one call."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torchvision.transforms import CenterCrop, Compose, Resize, ToTensor

from episodes.torchmeta.datasets.cifar100 import CIFARFS, FC100
from episodes.torchmeta.datasets.cub import CUB
from episodes.torchmeta.datasets.miniimagenet import MiniImagenet
from episodes.torchmeta.datasets.omniglot import Omniglot
from episodes.torchmeta.datasets.tieredimagenet import TieredImagenet
from episodes.torchmeta.transforms.augmentations import Rotation
from episodes.torchmeta.transforms.categorical import Categorical
from episodes.torchmeta.transforms.splitters import ClassSplitter
from episodes.torchmeta.utils.data.dataset import CombinationMetaDataset

__all__ = ["cifar_fs", "cub", "fc100", "miniimagenet", "omniglot", "tieredimagenet"]


def helper_with_default(
    klass: type[Any],
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    defaults: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of `ways` classes with `train` and `test` images of each.

    Args:
        klass: the meta-dataset.
        folder: where its files are, or a folder in that: its `root`.
        shots: train images a class.
        ways: classes a task.
        shuffle: draw the images at random; else the first of each class.
        test_shots: test images a class; None for as many as `shots`.
        seed: see `MetaDataset.seed`.
        defaults: `transform`, `target_transform` and `class_augmentations` where `kwargs` has none; without them
            `ToTensor()`, `Categorical(ways)` and None.
        kwargs: other arguments of `klass`, such as `meta_train=True` or `download=True`.

    Raises:
        DataError, TypeError: see `klass`.
    """
    if "num_classes_per_task" in kwargs:
        warnings.warn("both ways and num_classes_per_task are given; ways is ignored", stacklevel=3)
        ways = kwargs.pop("num_classes_per_task")
    usual = {"transform": ToTensor(), "target_transform": Categorical(ways), **(defaults or {})}
    dataset: CombinationMetaDataset = klass(folder, num_classes_per_task=ways, **{**usual, **kwargs})
    ClassSplitter(
        dataset,
        shuffle=shuffle,
        num_train_per_class=shots,
        num_test_per_class=shots if test_shots is None else test_shots,
    )
    dataset.seed(seed)
    return dataset


def omniglot(
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of Omniglot, 28 x 28, each character also turned by 90, 180 and 270 degrees; see `helper_with_default`."""
    defaults = {
        "transform": Compose([Resize(28), ToTensor()]),
        "class_augmentations": [Rotation([90, 180, 270])],
    }
    return helper_with_default(Omniglot, folder, shots, ways, shuffle, test_shots, seed, defaults, **kwargs)


def miniimagenet(
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of mini-ImageNet, 84 x 84; see `helper_with_default`."""
    defaults = {"transform": Compose([Resize(84), ToTensor()])}
    return helper_with_default(MiniImagenet, folder, shots, ways, shuffle, test_shots, seed, defaults, **kwargs)


def tieredimagenet(
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of tiered-ImageNet, 84 x 84; see `helper_with_default`."""
    defaults = {"transform": Compose([Resize(84), ToTensor()])}
    return helper_with_default(TieredImagenet, folder, shots, ways, shuffle, test_shots, seed, defaults, **kwargs)


def cifar_fs(
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of CIFAR-FS, 32 x 32; see `helper_with_default`."""
    return helper_with_default(CIFARFS, folder, shots, ways, shuffle, test_shots, seed, **kwargs)


def fc100(
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of FC100, 32 x 32; see `helper_with_default`."""
    return helper_with_default(FC100, folder, shots, ways, shuffle, test_shots, seed, **kwargs)


def cub(
    folder: str | Path,
    shots: int,
    ways: int,
    shuffle: bool = True,
    test_shots: int | None = None,
    seed: int | None = None,
    **kwargs: Any,
) -> CombinationMetaDataset:
    """Tasks of Caltech-UCSD Birds, the middle 84 x 84 of 126 x 126; see `helper_with_default`."""
    defaults = {"transform": Compose([Resize(126), CenterCrop(84), ToTensor()])}
    return helper_with_default(CUB, folder, shots, ways, shuffle, test_shots, seed, defaults, **kwargs)
