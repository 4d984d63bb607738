"""mini-imagenet: 100 classes of ILSVRC-2012, 600 photographs each, 84 x 84 colour; 64 / 16 / 20 classes.

Vinyals et al. 2016; the split is Ravi and Larochelle's of 2017. The photographs are ImageNet's, for research; nobody
may pass them on, so there is nothing to download from. Classes have readable names, `golden_retriever`; a class's group
is its WordNet number, `n02099601`. Read from whichever of the forms that circulate lies in --data-root, or in a folder
`mini-imagenet` or `miniimagenet` of it:

- train, val, test: folders, .zip or .tar files of a folder of pictures per class (named by WordNet number);
- `images/` (or `images.zip`) with train.csv, val.csv, test.csv of columns filename, label;
- one folder per class, or `images.zip` of them, for all 100;
- `mini-imagenet-cache-train.pkl`, `-val.pkl`, `-test.pkl` (`image_data`, `class_dict`);
- `miniImageNet_category_split_train_phase_train.pickle`, `…_val.pickle`, `…_test.pickle` (`data`, `labels`,
  `catname2label`; Gidaris and Komodakis 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.folder import read_classes
from episodes.datasets.splitting import published, published_split, refuse_split
from episodes.errors import DataError
from episodes.files.bank_cache import cached_dataset
from episodes.files.cache import content_key
from episodes.files.pickles import read_pickle
from episodes.files.pictures import Pictures

FILES = ("train", "val", "test")
PHASES = ("train_phase_train", "val", "test")
FOLDERS = ("mini-imagenet", "miniimagenet", "mini_imagenet", ".")
ARCHIVES = ("", ".zip", ".tar", ".tar.gz", ".tgz")
PLAIN = (".csv", ".pkl", ".pickle")  # files that are not archives of pictures
Reader = Callable[[list[Path], int, int], ImageBank]


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """mini-ImageNet with Ravi and Larochelle's split.

    Raises:
        DataError: a --split, missing or unreadable files, or a class of the split without pictures.
    """
    refuse_split(name, options.split)
    form = next(form for form in forms(find(name, options)) if form.there())
    size, channels = options.image_size or 84, options.channels or 3
    read_from = [each for file in form.files for each in ([file] if file.suffix in PLAIN else Pictures(file).files())]

    def make() -> Dataset[ImageBank]:
        return published_split(_with_names(form.read(form.files, size, channels)), name, "mini-imagenet")

    return cached_dataset(name, "mini-imagenet", content_key(read_from, size, channels), make)


def find(name: str, options: DataOptions) -> Path:
    """The folder that has the files of one of the forms.

    Raises:
        DataError: there is none.
    """
    root = options.folder
    for folder in (root / each for each in FOLDERS):
        if any(form.there() for form in forms(folder)):
            return folder
    raise DataError(
        f"{name} is not in '{root}': put train.zip, val.zip and test.zip there (a folder of pictures per class in "
        "each), or another form that `metabench data list` tells of, or name its folder by --data-root"
    )


class Form(NamedTuple):
    """One way in which the dataset circulates: what it is read from, and how."""

    read: Reader
    files: list[Path]

    def there(self) -> bool:
        return all(file.exists() for file in self.files)


def forms(folder: Path) -> list[Form]:
    """The forms that a folder may hold, the likeliest first."""
    tables = [folder / f"{part}.csv" for part in FILES]
    images = [folder / f"images{ending}" for ending in ARCHIVES]
    tree = [folder] if (folder / "n01532829").exists() else []  # a class of the split, which tells such a folder
    return [
        *(Form(_class_folders, [folder / f"{part}{ending}" for part in FILES]) for ending in ARCHIVES),
        *(Form(_tables, [each, *tables]) for each in images),
        *(Form(_class_folders, [each]) for each in images),
        Form(_pickles, [folder / f"mini-imagenet-cache-{part}.pkl" for part in FILES]),
        Form(_pickles, [folder / f"miniImageNet_category_split_{part}.pickle" for part in PHASES]),
        *(Form(_class_folders, [each]) for each in tree),
    ]


def _with_names(bank: ImageBank) -> ImageBank:
    """The bank of the classes of the split, under their readable names; its classes are named by WordNet number."""
    content = published("mini-imagenet")
    names: dict[str, str] = content["names"]
    found = [number for number, wnid in enumerate(bank.class_names) if wnid in names]
    if not found:
        raise DataError(
            f"'{bank.name}' has classes like '{bank.class_names[0]}', which are not mini-ImageNet's; download it again"
        )
    kept = bank.select(bank.name, found)
    readable = tuple(names[wnid] for wnid in kept.class_names)
    return ImageBank(kept.name, kept.images, readable, kept.class_sizes, kept.class_names)


def _class_folders(roots: list[Path], size: int, channels: int) -> ImageBank:
    """The pictures in folders of classes of the split; the 900 other classes of ImageNet may lie beside them."""
    names = published("mini-imagenet")["names"]
    banks = []
    for root in roots:
        pictures = Pictures(root)
        paths = [path for path in pictures.paths if not names.keys().isdisjoint(path.split("/")[:-1])]
        banks.append(read_classes(f"mini-imagenet/{root.name}", pictures, paths or pictures.paths, size, channels))
    return ImageBank.joined("mini-imagenet", banks)


def _tables(files: list[Path], size: int, channels: int) -> ImageBank:
    """`images/NAME` with the labels of three tables."""
    root, *tables = files
    pictures = Pictures(root)
    place = {PurePosixPath(path).name: path for path in pictures.paths}
    try:
        table = pd.concat([pd.read_csv(path, usecols=["filename", "label"]) for path in tables])
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the tables in '{root.parent}': {error}; each needs columns filename and label"
        ) from None
    missing = [each for each in table["filename"] if each not in place]
    if missing:
        raise DataError(
            f"'{root}' lacks {len(missing)} pictures of the tables, '{missing[0]}' first; download it again"
        )
    classes = sorted(table["label"].unique())
    number = {wnid: index for index, wnid in enumerate(classes)}
    images = pictures.decode([place[each] for each in table["filename"]], size, channels)
    return ImageBank.from_labels("mini-imagenet", images, [number[each] for each in table["label"]], classes, classes)


def _pickles(files: list[Path], size: int, channels: int) -> ImageBank:
    """Images `[n, 84, 84, 3]` uint8 and which of them are a class's, of each of three files.

    `image_data` and `class_dict`, lists of image numbers by class; or `data`, `labels` and, by class, its label:
    `catname2label`.
    """
    banks = []
    for path in files:
        content = read_pickle(path)
        try:
            if "data" in content:
                data, labels = np.asarray(content["data"]), np.asarray(content["labels"])
                members = {name: np.flatnonzero(labels == label) for name, label in content["catname2label"].items()}
            else:
                data, members = np.asarray(content["image_data"]), content["class_dict"]
            rows = np.concatenate([np.asarray(numbers, dtype=np.int64) for numbers in members.values()])
            images = torch.from_numpy(data[rows]).permute(0, 3, 1, 2).contiguous()
            names, sizes = tuple(map(str, members)), tuple(len(numbers) for numbers in members.values())
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise DataError(
                f"'{path}' does not hold image_data and class_dict, or data, labels and catname2label, as expected "
                f"({error}); download it again"
            ) from None
        bank = ImageBank(f"mini-imagenet/{path.stem}", images, names, sizes, names)
        banks.append(bank.fitted((channels, size, size)))
    return ImageBank.joined("mini-imagenet", banks)
