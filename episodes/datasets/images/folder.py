"""folder:PATH: any tree of class folders of pictures, or a .zip or .tar of one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from episodes.banks.images import ImageBank
from episodes.dataset import PARTS, DataOptions, Dataset
from episodes.datasets.images.labelled import Labelled
from episodes.datasets.images.layout import Layout, read_layout
from episodes.datasets.item_split import halves
from episodes.datasets.splitting import ALL, refuse_split
from episodes.errors import DataError
from episodes.files.archives import is_archive
from episodes.files.pictures import Pictures, describe_left_out
from episodes.files.remembered import remember, user_place
from episodes.names import full_name, short_name

TAKES = "PATH"  # as users write it: folder:PATH
OWN = "folders"  # the split that folders train, validation and test are


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """Every picture under `name/CLASS/`, nested folders too, as RGB (--channels 1: grey) of 84 x 84 (--image-size).

    Folders train, validation and test are the split, and folders above classes are groups (see
    `layout.read_layout`). Otherwise it is split as `episodes.datasets.splitting.split_classes` says. How pictures are
    read is with `Labelled`.

    What is left out, such as files that are not pictures, and pictures that are there twice, is warned of.

    Raises:
        DataError: missing or empty folder, a class without pictures, or pictures that cannot be read.
    """
    root, short, labelled = _read(name, options)
    dataset = labelled.load(short, options, OWN)
    remember(short, root)
    return dataset


def load_all(name: str, options: DataOptions) -> tuple[ImageBank, ImageBank]:
    """All classes for training and for test: as folders train and test say, or else the halves of each class.

    Where train, validation and test have different classes, as a split of classes has, those of test are taken.

    Raises:
        DataError: as `load`, a split, or a class that has pictures only for training or only for test.
    """
    root, short, labelled = _read(name, options)
    refuse_split(short, options.split)
    classes, parts = labelled.layout.classes, labelled.layout.part_of
    test = [row for row, part in enumerate(parts) if part == "test"]
    training = [row for row, part in enumerate(parts) if part != "test"]
    of_training, of_test = ({classes[row] for row in rows} for rows in (training, test))
    if of_training & of_test:
        banks = labelled.load_all(short, options, training, test)
    else:
        asked = options if len({*parts}) == len(PARTS) else replace(options, split=ALL)
        banks = halves(labelled.load(short, asked, OWN).test.renamed(short))
    remember(short, root)
    return banks


def _read(name: str, options: DataOptions) -> tuple[Path, str, Labelled]:
    """The folder or archive, its short name, and its pictures with their classes."""
    root = find(name, options)
    pictures = Pictures(root)
    left_out = pictures.left_out
    layout = read_layout(pictures)
    if left_out:
        warnings.warn(f"'{root}': left out {describe_left_out(left_out)}", stacklevel=3)
    return root, short_name(full_name(f"folder:{root}")), Labelled(pictures, pictures.paths, layout)


def find(name: str, options: DataOptions) -> Path:
    """The folder or archive itself.

    A `name` that is not a full path is looked for in `data_root` first, and is `data_root` itself where that has it.

    Raises:
        DataError: it is not there, is something else, or has a name that no record could hold.
    """
    root = user_place(name, options.data_root, "folder")
    needs = "--dataset folder:PATH needs one with a folder of pictures per class, or a .zip or .tar of one"
    try:
        if root.is_dir() or (root.is_file() and is_archive(root)):
            return root
        there = os.path.lexists(root)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{root}': {getattr(error, 'strerror', None) or error}; {needs}") from None
    if root.is_file():
        raise DataError(f"'{root}' is neither a .zip nor a .tar file; {needs}")
    if there:
        raise DataError(f"'{root}' is neither a folder nor a file, or is a broken link; {needs}")
    if options.data_root:
        raise DataError(f"there is no folder '{root}', neither here nor in --data-root '{options.data_root}'; {needs}")
    raise DataError(f"there is no folder '{root}'; {needs}; for one elsewhere, --data-root names the folder it is in")


def read_classes(name: str, pictures: Pictures, paths: Sequence[str], size: int, channels: int) -> ImageBank:
    """A bank of pictures whose class is the folder that they are in, the first one that tells them apart.

    Raises:
        DataError: there are no pictures, they are in no folders, or one of them cannot be read.
    """
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    above = 0  # folders that all are in
    while folders and len({parts[: above + 1] for parts in folders}) == 1 and min(map(len, folders)) > above + 1:
        above += 1
    if not paths or min(map(len, folders)) <= above:
        raise DataError(
            f"'{pictures.root}' does not hold a folder of pictures for each class: "
            + (f"'{min(paths, key=len)}' is in none" if paths else "it has no pictures")
        )
    classes = [parts[above] for parts in folders]
    found = Labelled(pictures, paths, Layout(classes, {each: each for each in classes}, {}))
    return found.bank(name, pictures.decode(paths, size, channels))
