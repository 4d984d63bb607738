"""mini-imagenet: 100 classes of ILSVRC-2012, 600 photographs each, 84 x 84 colour; 64 / 16 / 20 classes.

Vinyals et al. 2016; the split is Ravi and Larochelle's of 2017. The photographs are ImageNet's, for research; nobody
may pass them on, so there is nothing to download from. Classes have readable names, `golden_retriever`; a class's group
is its WordNet number, `n02099601`. Read from whichever of the forms that circulate lies in --data-root, or in a folder
`mini-imagenet` or `miniimagenet` of it:

- train, val, test: folders, .zip or .tar files of a folder of pictures a class (named by WordNet number);
- `images/` (or `images.zip`) with train.csv, val.csv, test.csv of columns filename, label;
- one folder a class, or `images.zip` of them, for all 100;
- `mini-imagenet-cache-train.pkl`, `-val.pkl`, `-test.pkl` (`image_data`, `class_dict`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import torch

from episodes.bank import ImageBank
from episodes.bank_cache import cached_dataset
from episodes.cache import cache_folder
from episodes.combine import convert, join
from episodes.datasets import DataOptions, Dataset
from episodes.datasets.folder import read_classes
from episodes.errors import DataError
from episodes.pickles import read_pickle
from episodes.pictures import Pictures
from episodes.splitting import published, published_split

FILES = ("train", "val", "test")
FOLDERS = ("mini-imagenet", "miniimagenet", "mini_imagenet", ".")
ARCHIVES = ("", ".zip", ".tar", ".tar.gz", ".tgz")
Reader = Callable[[Path, int, int], ImageBank]


def load(name: str, options: DataOptions) -> Dataset:
    """mini-ImageNet with Ravi and Larochelle's split.

    Raises:
        DataError: a --split, missing or unreadable files, or a class of the split without pictures.
    """
    if options.split is not None:
        raise DataError(f"{name} has no split '{options.split}', only the published one; leave --split out")
    folder = find(name, options)
    files, read = _form(folder)
    return _read(name, options, folder, files, read)


def find(name: str, options: DataOptions) -> Path:
    """The folder that has the files of one of the forms.

    Raises:
        DataError: there is none.
    """
    root = options.data_root or cache_folder() / "data"
    for folder in (root / each for each in FOLDERS):
        if any(all(file.exists() for file in files) for files, _ in forms(folder)):
            return folder
    raise DataError(
        f"{name} is not in '{root}': put train.zip, val.zip and test.zip there (a folder of pictures a class in "
        "each), or another form that `metabench data list` tells of, or name its folder by --data-root"
    )


def _form(folder: Path) -> tuple[list[Path], Reader]:
    return next((files, read) for files, read in forms(folder) if all(file.exists() for file in files))


def forms(folder: Path) -> list[tuple[list[Path], Reader]]:
    """The forms that a folder may hold: which files must be there, and what reads them."""
    parts = [([folder / f"{part}{ending}" for part in FILES], _class_folders) for ending in ARCHIVES]
    tables = [folder / f"{part}.csv" for part in FILES]
    labelled = [([folder / f"images{ending}", *tables], _tables) for ending in ARCHIVES]
    whole = [([folder / f"images{ending}"], _class_folders) for ending in ARCHIVES]
    pickles = [([folder / f"mini-imagenet-cache-{part}.pkl" for part in FILES], _pickles)]
    return [*parts, *labelled, *whole, *pickles, ([folder / "n01532829"], _whole_tree)]


def _read(name: str, options: DataOptions, folder: Path, files: list[Path], read: Reader) -> Dataset:
    size, channels = options.image_size or 84, options.channels or 3
    key = hashlib.sha256(repr(([_stamp(file) for file in files], size, channels)).encode()).hexdigest()[:16]

    def make() -> Dataset:
        if read is _class_folders:
            bank = join(name, [_class_folders(file, size, channels) for file in files])
        else:
            bank = read(folder, size, channels)
        return published_split(_with_names(bank), name, "mini-imagenet")

    return cached_dataset(name, key, make)


def _stamp(file: Path) -> str:
    if file.suffix in (".csv", ".pkl"):
        found = file.stat()
        return repr((str(file.resolve()), found.st_size, found.st_ctime_ns, found.st_mtime_ns))
    return Pictures(file if file.name != "n01532829" else file.parent).key()


def _with_names(bank: ImageBank) -> ImageBank:
    """The bank of the classes of the split, under their readable names; its classes are named by WordNet number."""
    content = published("mini-imagenet")
    names: dict[str, str] = content["names"]
    found = [number for number, wnid in enumerate(bank.class_names) if wnid in names]
    if not found:
        raise DataError(
            f"'{bank.name}' has classes like '{bank.class_names[0]}', none of mini-ImageNet's; fetch it anew"
        )
    kept = bank.select(bank.name, found)
    readable = tuple(names[wnid] for wnid in kept.class_names)
    return ImageBank(kept.name, kept.images, readable, kept.class_sizes, kept.class_names)


def _class_folders(root: Path, size: int, channels: int) -> ImageBank:
    """The pictures in folders of classes of the split; the 900 other classes of ImageNet may lie beside them."""
    pictures, names = Pictures(root), published("mini-imagenet")["names"]
    paths = [path for path in pictures.paths if not names.keys().isdisjoint(path.split("/")[:-1])]
    return read_classes(f"mini-imagenet/{root.name}", pictures, paths or pictures.paths, size, channels)


def _whole_tree(folder: Path, size: int, channels: int) -> ImageBank:
    return _class_folders(folder, size, channels)


def _tables(folder: Path, size: int, channels: int) -> ImageBank:
    """`images/NAME` with the labels of three tables."""
    root = next(folder / f"images{ending}" for ending in ARCHIVES if (folder / f"images{ending}").exists())
    pictures = Pictures(root)
    place = {PurePosixPath(path).name: path for path in pictures.paths}
    try:
        table = pd.concat([pd.read_csv(folder / f"{part}.csv", usecols=["filename", "label"]) for part in FILES])
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot read the tables in '{folder}': {error}; each needs columns filename and label"
        ) from None
    missing = [each for each in table["filename"] if each not in place]
    if missing:
        raise DataError(f"'{root}' lacks {len(missing)} pictures of the tables, '{missing[0]}' first; fetch it anew")
    classes = sorted(table["label"].unique())
    number = {wnid: index for index, wnid in enumerate(classes)}
    images = pictures.decode([place[each] for each in table["filename"]], size, channels)
    return ImageBank.from_labels("mini-imagenet", images, [number[each] for each in table["label"]], classes, classes)


def _pickles(folder: Path, size: int, channels: int) -> ImageBank:
    """`image_data` `[n, 84, 84, 3]` uint8 and `class_dict`, a list of image numbers a class, of each of three files."""
    banks = []
    for part in FILES:
        path = folder / f"mini-imagenet-cache-{part}.pkl"
        content = read_pickle(path)
        try:
            data, members = np.asarray(content["image_data"]), content["class_dict"]
            rows = np.concatenate([np.asarray(numbers, dtype=np.int64) for numbers in members.values()])
            images = torch.from_numpy(data[rows]).permute(0, 3, 1, 2).contiguous()
            names, sizes = tuple(map(str, members)), tuple(len(numbers) for numbers in members.values())
        except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
            raise DataError(
                f"'{path}' does not hold image_data and class_dict as expected ({error}); fetch it anew"
            ) from None
        banks.append(convert(ImageBank(f"mini-imagenet/{part}", images, names, sizes, names), channels, (size, size)))
    return join("mini-imagenet", banks)
