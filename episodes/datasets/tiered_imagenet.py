"""tiered-imagenet: 608 classes of ILSVRC-2012 in 34 superclasses, 84 x 84 colour; 351 / 97 / 160 classes.

Ren et al. 2018, section 4.1: whole superclasses (20 / 6 / 8) in each split. The photographs are ImageNet's, for
research. From the files that its authors made, in --data-root or in a folder `tiered-imagenet` of it:
`train_images_png.pkl` (or train_images.npz) with `train_labels.pkl`, and likewise for `val` and `test`; see
https://github.com/renmengye/few-shot-ssl-public. The files are the split. The npz has blue first.
"""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from episodes.bank import ImageBank
from episodes.bank_cache import cached_dataset
from episodes.cache import content_key
from episodes.combine import convert
from episodes.datasets import DataOptions, Dataset
from episodes.errors import DataError
from episodes.pickles import read_pickle
from episodes.pictures import decode_picture
from episodes.splitting import refuse_split

FILES = {"train": 351, "val": 97, "test": 160}  # classes of each
FOLDERS = ("tiered-imagenet", "tieredimagenet", "tiered_imagenet", ".")


def load(name: str, options: DataOptions) -> Dataset:
    """tiered-ImageNet with the published split.

    Raises:
        DataError: a --split, missing or unreadable files, or other numbers of classes than the published ones.
    """
    refuse_split(name, options.split)
    folder = find(name, options)
    size, channels = options.image_size or 84, options.channels or 3
    key = content_key([path for part in FILES for path in _files(folder, part)], size, channels)

    def make() -> Dataset:
        train, validation, test = (_bank(name, folder, part, size, channels) for part in FILES)
        return Dataset(name, name, train, validation, test)

    return cached_dataset(name, key, make)


def find(name: str, options: DataOptions) -> Path:
    """The folder that has the six files.

    Raises:
        DataError: there is none.
    """
    root = options.folder
    folder = next((root / each for each in FOLDERS if all(_files(root / each, part) for part in FILES)), None)
    if folder is None:
        raise DataError(
            f"{name} is not in '{root}': put train_images_png.pkl, train_labels.pkl and likewise val and test "
            "there (https://github.com/renmengye/few-shot-ssl-public), or name their folder by --data-root"
        )
    return folder


def _files(folder: Path, part: str) -> list[Path]:
    """Images and labels of a part; none if either is missing."""
    labels = folder / f"{part}_labels.pkl"
    images = [folder / f"{part}_images{ending}" for ending in ("_png.pkl", ".npz")]
    there = [path for path in images if path.is_file()]
    return [there[0], labels] if there and labels.is_file() else []


def _bank(name: str, folder: Path, part: str, size: int, channels: int) -> ImageBank:
    images_file, labels_file = _files(folder, part)
    content = read_pickle(labels_file)
    try:
        labels, general = (np.asarray(content[key], dtype=np.int64) for key in ("label_specific", "label_general"))
        names, superclasses = content["label_specific_str"], content["label_general_str"]
        group_of = dict(zip(labels.tolist(), general.tolist(), strict=True))
        groups = [str(superclasses[group_of[number]]) for number in range(len(names))]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(f"'{labels_file}' does not hold the labels as expected ({error}); fetch it anew") from None
    if len(names) != FILES[part]:
        raise DataError(
            f"'{labels_file}' has {len(names)} classes; tiered-ImageNet's {part} has {FILES[part]}: fetch it anew"
        )
    images = _images(images_file, size, channels)
    if len(images) != len(labels):
        raise DataError(
            f"'{images_file}' has {len(images)} images, '{labels_file.name}' {len(labels)} labels; fetch them anew"
        )
    full = {"train": "train", "val": "validation", "test": "test"}[part]
    bank = ImageBank.from_labels(f"{name}/{full}", images, labels.tolist(), [str(each) for each in names], groups)
    return convert(bank, channels, (size, size))


def _images(path: Path, size: int, channels: int) -> Tensor:
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as stored:
                # Blue first, as OpenCV wrote and reads them; its PNGs are in the usual order.
                return torch.from_numpy(stored["images"]).permute(0, 3, 1, 2).flip(1)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read '{path}': {error}; fetch it anew") from None
    encoded: Any = read_pickle(path)
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(
            lambda item: decode_picture(bytes(item[1]), path / str(item[0]), size, channels), enumerate(encoded)
        )
        return torch.stack(list(decoded))
