"""torchvision:NAME: a classification dataset of torchvision, its classes split into train, validation and test.

Sources and licences: torchvision's documentation of the class of that name. All its official parts are pooled, since
few-shot learning splits by class.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torchvision
from PIL import Image

from episodes.bank import ImageBank
from episodes.datasets import DataOptions, Dataset
from episodes.errors import DataError, nearest
from episodes.pictures import to_square
from episodes.splitting import split_classes

_TRAIN_TEST: list[dict[str, Any]] = [{"train": True}, {"train": False}]
_SPLITS: list[dict[str, Any]] = [{"split": "train"}, {"split": "test"}]
_THREE: list[dict[str, Any]] = [{"split": "train"}, {"split": "val"}, {"split": "test"}]

# Name: the arguments of each official part, and (channels, size) where all images have one shape.
SETS: dict[str, tuple[list[dict[str, Any]], tuple[int, int] | None]] = {
    "CIFAR10": (_TRAIN_TEST, (3, 32)),
    "CIFAR100": (_TRAIN_TEST, (3, 32)),
    "DTD": (_THREE, None),
    "EMNIST": ([{"split": "balanced", **part} for part in _TRAIN_TEST], (1, 28)),
    "EuroSAT": ([{}], (3, 64)),
    "FGVCAircraft": (_THREE, None),
    "FashionMNIST": (_TRAIN_TEST, (1, 28)),
    "Flowers102": (_THREE, None),
    "Food101": (_SPLITS, None),
    "GTSRB": (_SPLITS, None),
    "KMNIST": (_TRAIN_TEST, (1, 28)),
    "MNIST": (_TRAIN_TEST, (1, 28)),
    "OxfordIIITPet": ([{"split": "trainval"}, {"split": "test"}], None),
    "STL10": (_SPLITS, (3, 96)),
    "SVHN": (_SPLITS, (3, 32)),
}


def load(name: str, options: DataOptions) -> Dataset:
    """That dataset, downloaded where it is missing and there is a network; 84 x 84 colour where its sizes differ.

    Raises:
        DataError: a name that is not in `SETS`, or files that are missing and cannot be downloaded.
    """
    parts = _parts(name)
    native = SETS[name][1]
    channels, size = native or (3, 84)
    channels, size = options.channels or channels, options.image_size or size
    root = options.folder
    images, labels = [], []
    opened = [_open(name, root, {**arguments, "download": options.download}) for arguments in parts]
    for part in opened:
        with ThreadPoolExecutor() as pool:
            items = list(pool.map(lambda number, part=part: _item(part, number, size, channels), range(len(part))))
        images += [image for image, _ in items]
        labels += [label for _, label in items]
    names = _class_names(opened[0], max(labels) + 1)
    bank = ImageBank.from_labels(f"torchvision:{name}", torch.stack(images), labels, names, names)
    return split_classes(bank, options.split)


def find(name: str, options: DataOptions) -> Path:
    """The folder that torchvision keeps the set in; downloaded if it is not there and that is wanted.

    Raises:
        DataError: a name that is not in `SETS`, or files that are missing.
    """
    root = options.folder
    for arguments in _parts(name):
        _open(name, root, {**arguments, "download": options.download})
    return root


def _parts(name: str) -> list[dict[str, Any]]:
    if name not in SETS:
        raise DataError(
            f"torchvision:{name} is not a set that metabench reads{nearest(name, SETS)}; there are {', '.join(SETS)}"
        )
    return SETS[name][0]


def _open(name: str, root: Path, arguments: dict[str, Any]) -> Any:
    try:
        return getattr(torchvision.datasets, name)(str(root), **arguments)
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"torchvision:{name} is not in '{root}' and was not downloaded ({reason}); "
            "put torchvision's files there, or name their folder by --data-root"
        ) from None


def _item(part: Any, number: int, size: int, channels: int) -> tuple[torch.Tensor, int]:
    try:
        picture, label = part[number]
    except Exception as error:  # Pillow's readers raise whatever the broken bytes lead to
        raise DataError(
            f"cannot read image {number} of torchvision:{type(part).__name__} below '{part.root}': {error}; "
            "fetch the dataset anew"
        ) from None
    assert isinstance(picture, Image.Image)
    return to_square(picture, size, channels), int(label)


def _class_names(part: Any, classes: int) -> list[str]:
    """The dataset's own names where it has a unique one for each label, else the labels."""
    names = [str(name).strip().replace(" ", "_") for name in getattr(part, "classes", [])]
    if len(names) == classes == len(set(names)):
        return names
    return [f"class_{label}" for label in range(classes)]
