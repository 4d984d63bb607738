"""tiered-imagenet: 608 classes of ILSVRC-2012 in 34 superclasses, 84 x 84 colour; 351 / 97 / 160 classes.

Ren et al. 2018, section 4.1: whole superclasses (20 / 6 / 8) in each split (`splits/tiered-imagenet.json`). The
photographs are ImageNet's, for research. From one of these in --data-root, or in a folder `tiered-imagenet` of it:

- the files that its authors made, `train_images_png.pkl` (or train_images.npz, which has blue first) with
  `train_labels.pkl`, and likewise for `val` and `test`; see https://github.com/renmengye/few-shot-ssl-public; copies
  whose labels are numbers without names are refused, since the order of the classes was not published;
- train, val, test: folders of a folder of pictures per class, named by WordNet number.

Classes have readable names, `brambling`; a class's group is its superclass, `passerine`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from episodes.banks.images import ImageBank, check_memory
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.folder import read_classes
from episodes.datasets.splitting import published, refuse_split
from episodes.errors import DataError
from episodes.files.bank_cache import cached_dataset
from episodes.files.cache import content_key
from episodes.files.pickles import read_pickle
from episodes.files.pictures import Pictures, decode_picture

PARTS = {"train": "train", "val": "validation", "test": "test"}  # what the files call each part
FOLDERS = ("tiered-imagenet", "tieredimagenet", "tiered_imagenet", ".")


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """tiered-ImageNet with the published split.

    Raises:
        DataError: a --split, missing or unreadable files, or other classes or superclasses than the published ones.
    """
    refuse_split(name, options.split)
    folder = find(name, options)
    size, channels = options.image_size or 84, options.channels or 3
    key = content_key([path for part in PARTS for path in _read_from(folder, part)], size, channels)

    def make() -> Dataset[ImageBank]:
        train, validation, test = (_bank(folder, part, size, channels) for part in PARTS)
        return Dataset(name, name, train, validation, test)

    return cached_dataset(name, name, key, make)


def find(name: str, options: DataOptions) -> Path:
    """The folder that has the files of all parts.

    Raises:
        DataError: there is none.
    """
    root = options.folder
    folder = next((root / each for each in FOLDERS if all(_files(root / each, part) for part in PARTS)), None)
    if folder is None:
        raise DataError(
            f"{name} is not in '{root}': put train_images_png.pkl, train_labels.pkl and likewise val and test "
            "there (https://github.com/renmengye/few-shot-ssl-public), or name their folder by --data-root"
        )
    return folder


def class_name(words: str) -> str:
    """`brambling` for `brambling, Fringilla montifringilla`; likewise for a superclass. Unique among either."""
    return words.split(",")[0].strip().lower().replace(" ", "_")


def _files(folder: Path, part: str) -> list[Path]:
    """Images and labels of a part, or its folder of class folders; none if either is missing."""
    labels = folder / f"{part}_labels.pkl"
    images = [folder / f"{part}_images{ending}" for ending in ("_png.pkl", ".npz")]
    there = [path for path in images if path.is_file()]
    if there and labels.is_file():
        return [there[0], labels]
    tree = folder / part
    first = published("tiered-imagenet")["superclasses"][published("tiered-imagenet")[PARTS[part]][0]][0]
    return [tree] if (tree / first).is_dir() else []


def _read_from(folder: Path, part: str) -> list[Path]:
    files = _files(folder, part)
    return files if len(files) == 2 else Pictures(files[0]).files()


def _bank(folder: Path, part: str, size: int, channels: int) -> ImageBank:
    files = _files(folder, part)
    if len(files) == 2:
        return _from_labels(files[0], files[1], part, size, channels)
    words: dict[str, str] = published("tiered-imagenet")["names"]
    pictures = Pictures(files[0])
    bank = read_classes(f"tiered-imagenet/{part}", pictures, pictures.paths, size, channels)
    names = [class_name(words.get(wnid, wnid)) for wnid in bank.class_names]
    groups = _check_classes(files[0], part, names)
    return ImageBank(bank.name, bank.images, tuple(names), bank.class_sizes, tuple(groups[each] for each in names))


def _from_labels(images_file: Path, labels_file: Path, part: str, size: int, channels: int) -> ImageBank:
    content = read_pickle(labels_file)
    _refuse_numbers(labels_file, content)
    try:
        labels = np.asarray(content["label_specific"], dtype=np.int64)
        names = [class_name(words) for words in content["label_specific_str"]]
        superclasses = content["label_general_str"]  # a list, or a dictionary from their numbers
        found = {class_name(words) for words in getattr(superclasses, "values", lambda: superclasses)()}
        in_range = labels.ndim == 1 and labels.min() >= 0 and labels.max() < len(names)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"'{labels_file}' does not hold the labels as expected ({error}); download it again") from None
    groups = _check_classes(labels_file, part, names)
    if found != set(groups.values()):
        raise DataError(
            f"'{labels_file}' has other superclasses than tiered-ImageNet's {part}, "
            f"'{min(found ^ set(groups.values()))}' first; download it again"
        )
    images = _images(images_file, size, channels)
    if len(images) != len(labels) or not in_range:
        raise DataError(
            f"'{images_file}' has {len(images)} images, which '{labels_file.name}' does not label: {len(labels)} "
            f"labels from {labels.min()} to {labels.max()}; download them again"
        )
    bank = ImageBank.from_labels(
        f"tiered-imagenet/{part}", images, labels.tolist(), names, [groups[each] for each in names]
    )
    return bank.fitted((channels, size, size))


def _refuse_numbers(labels_file: Path, content: Any) -> None:
    """DataError for labels without the names of their classes.

    The authors' code numbers classes as the system happened to list their folders, an order that was not published.
    """
    names = ("label_specific_str", "label_general_str")
    if isinstance(content, dict):
        lacking = [name for name in names if name not in content]
        numbers, found = bool({"label_specific", "labels"} & content.keys()), ", ".join(map(str, content))
    else:
        lacking, numbers, found = list(names), _is_numbers(content), type(content).__name__
    if not (lacking and numbers):
        return
    raise DataError(
        f"'{labels_file}' has no class names ({' and '.join(lacking)}; found {found}), and numbers alone do not "
        f"say which class is which; put its authors' {labels_file.name}, which has both, in its place, or train, val "
        "and test as folders of class folders named by WordNet number"
    )


def _is_numbers(content: Any) -> bool:
    try:
        return np.issubdtype(np.asarray(content).dtype, np.integer)
    except ValueError:  # lists of several lengths
        return False


def _check_classes(place: Path, part: str, names: list[str]) -> dict[str, str]:
    """The superclass of each class that was published for the part; DataError unless these are the names at hand."""
    classes = {each: _classes(each) for each in PARTS}
    if sorted(names) == sorted(classes[part]):
        return classes[part]
    swapped = [each for each in PARTS if sorted(names) == sorted(classes[each])]
    if swapped:
        raise DataError(f"'{place}' holds the classes of {swapped[0]}, not those of {part}; put it in its place")
    lacking, more = (sorted({*one} - {*other}) for one, other in ((classes[part], names), (names, classes[part])))
    difference = [f"lacks {len(lacking)}, '{lacking[0]}' first"] if lacking else []
    difference += [f"has '{more[0]}' beside them"] if more else []
    raise DataError(
        f"'{place}' has {len(names)} classes; tiered-ImageNet's {part} has {len(classes[part])}, of which it "
        f"{' and '.join(difference) or 'has some twice'}: download it again"
    )


def _classes(part: str) -> dict[str, str]:
    content = published("tiered-imagenet")
    return {
        class_name(content["names"][wnid]): class_name(superclass)
        for superclass in content[PARTS[part]]
        for wnid in content["superclasses"][superclass]
    }


def _images(path: Path, size: int, channels: int) -> Tensor:
    if path.suffix == ".npz":
        try:
            with np.load(path, allow_pickle=False) as stored:
                # Blue first, as OpenCV wrote and reads them; its PNGs are in the usual order.
                return torch.from_numpy(stored["images"]).permute(0, 3, 1, 2).flip(1)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DataError(f"cannot read '{path}': {error}; download it again") from None
    encoded: Any = read_pickle(path)
    check_memory(str(path), (len(encoded), channels, size, size))
    return torch.stack(
        [decode_picture(bytes(item), path / str(number), size, channels) for number, item in enumerate(encoded)]
    )
