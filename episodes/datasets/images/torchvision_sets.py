"""torchvision:NAME: a classification dataset of torchvision, its classes split into train, validation and test.

Sources and licences: torchvision's documentation of the class of that name. All its official parts are pooled, since
few-shot learning splits by class.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torchvision
from PIL import Image

from episodes.banks.images import ImageBank, check_memory
from episodes.banks.pixels import flat
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import DEFAULT, split_classes, split_key
from episodes.errors import DataError, nearest
from episodes.files.bank_cache import cached_dataset
from episodes.files.cache import content_key
from episodes.files.pictures import to_square

TAKES = "NAME"  # as users write it: torchvision:NAME


_TRAIN_TEST: list[dict[str, Any]] = [{"train": True}, {"train": False}]
_SPLITS: list[dict[str, Any]] = [{"split": "train"}, {"split": "test"}]
_THREE: list[dict[str, Any]] = [{"split": "train"}, {"split": "val"}, {"split": "test"}]


class Source(NamedTuple):
    """A set of torchvision: the arguments of each official part, and where it keeps its files below its root.

    `native` is (channels, size) where all images have one shape.
    """

    parts: list[dict[str, Any]]
    files: str
    native: tuple[int, int] | None


SETS = {
    "CIFAR10": Source(_TRAIN_TEST, "cifar-10-batches-py/*", (3, 32)),
    "CIFAR100": Source(_TRAIN_TEST, "cifar-100-python/*", (3, 32)),
    "DTD": Source(_THREE, "dtd/**/*", None),
    "EMNIST": Source([{"split": "balanced", **part} for part in _TRAIN_TEST], "EMNIST/raw/*", (1, 28)),
    "EuroSAT": Source([{}], "eurosat/**/*", (3, 64)),
    "FGVCAircraft": Source(_THREE, "fgvc-aircraft-2013b/**/*", None),
    "FashionMNIST": Source(_TRAIN_TEST, "FashionMNIST/raw/*", (1, 28)),
    "Flowers102": Source(_THREE, "flowers-102/**/*", None),
    "Food101": Source(_SPLITS, "food-101/**/*", None),
    "GTSRB": Source(_SPLITS, "gtsrb/**/*", None),
    "KMNIST": Source(_TRAIN_TEST, "KMNIST/raw/*", (1, 28)),
    "MNIST": Source(_TRAIN_TEST, "MNIST/raw/*", (1, 28)),
    "OxfordIIITPet": Source([{"split": "trainval"}, {"split": "test"}], "oxford-iiit-pet/**/*", None),
    "STL10": Source(_SPLITS, "stl10_binary/*", (3, 96)),
    "SVHN": Source(_SPLITS, "*_32x32.mat", (3, 32)),
}


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """That dataset, downloaded where it is missing and there is a network; 84 x 84 colour where its sizes differ.

    Read once, then from the cache until a file of it is added, removed or written.

    Raises:
        DataError: a name that is not in `SETS`, or files that are missing and cannot be downloaded.
    """
    source = _source(name)
    split = options.split or DEFAULT
    channels, size = source.native or (3, 84)
    channels, size = options.channels or channels, options.image_size or size
    files = _files(options.folder, source)
    if not files:
        find(name, options)
        files = _files(options.folder, source)
    key = content_key(files, size, channels, split_key(split))

    def make() -> Dataset[ImageBank]:
        return split_classes(_bank(name, _open(name, source, options), size, channels), split)

    return cached_dataset(f"torchvision:{name}", Path(split).name, f"{name}-{key}", make)


def find(name: str, options: DataOptions) -> Path:
    """The folder that torchvision keeps the set in; downloaded if it is not there and that is wanted.

    Raises:
        DataError: a name that is not in `SETS`, or files that are missing.
    """
    _open(name, _source(name), options)
    return options.folder


def _files(root: Path, source: Source) -> list[Path]:
    return [path for path in sorted(root.glob(source.files)) if path.is_file()]


def _bank(name: str, opened: list[Any], size: int, channels: int) -> ImageBank:
    """All images of all official parts."""
    check_memory(f"torchvision:{name}", (sum(map(len, opened)), channels, size, size))
    images, labels = [], []
    for part in opened:
        with ThreadPoolExecutor() as pool:
            items = list(pool.map(lambda number, part=part: _item(part, number, size, channels), range(len(part))))
        images += [image for image, _ in items]
        labels += [label for _, label in items]
    names = _class_names(opened[0], max(labels) + 1)
    return ImageBank.from_labels(f"torchvision:{name}", torch.stack(images), labels, names, names)


def _source(name: str) -> Source:
    if name not in SETS:
        raise DataError(
            f"torchvision:{name} is not a set that metabench reads; there are {', '.join(SETS)}{nearest(name, SETS)}"
        )
    return SETS[name]


def _open(name: str, source: Source, options: DataOptions) -> list[Any]:
    """The official parts, by torchvision's class."""
    root = str(options.folder)
    try:
        kind = getattr(torchvision.datasets, name)
        return [kind(root, **arguments, download=options.download) for arguments in source.parts]
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
            "download the dataset again"
        ) from None
    assert isinstance(picture, Image.Image)
    return to_square(flat(picture), size, channels), int(label)


def _class_names(part: Any, classes: int) -> list[str]:
    """The dataset's own names where it has a unique one for each label, else the labels."""
    names = [str(name).strip().replace(" ", "_") for name in getattr(part, "classes", [])]
    if len(names) == classes == len(set(names)):
        return names
    return [f"class_{label}" for label in range(classes)]
