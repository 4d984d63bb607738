"""folder:PATH: any tree of class folders of pictures, by torchvision's ImageFolder rules, or a .zip or .tar of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from episodes.bank import ImageBank
from episodes.bank_cache import cached_dataset
from episodes.cache import content_key
from episodes.datasets import DataOptions, Dataset
from episodes.errors import DataError
from episodes.pictures import Pictures, is_archive, is_hidden
from episodes.splitting import split_classes, split_key, split_name


def load(name: str, options: DataOptions) -> Dataset:
    """Every picture under `name/CLASS/`, nested folders too, as RGB (--channels 1: grey) of 84 x 84 (--image-size).

    A picture's shorter side is resized to the size with antialiasing, then the middle is cropped. EXIF rotation is
    applied. Split as `episodes.splitting.split_classes` says. Decoded once, in parallel, then read from the cache until
    a file is added, removed or written (see `episodes.cache.content_key`).

    Raises:
        DataError: missing or empty folder, a class without pictures, or a picture that cannot be read.
    """
    root = find(name, options)
    pictures = Pictures(root)
    if root.is_dir():
        _check_folders(pictures)
    size, channels = options.image_size or 84, options.channels or 3
    key = content_key(pictures.files(), size, channels, split_key(options.split))

    def make() -> Dataset:
        return split_classes(read_classes(f"folder:{name}", pictures, pictures.paths, size, channels), options.split)

    return cached_dataset(f"folder:{name}", split_name(options.split), key, make)


def find(name: str, options: DataOptions) -> Path:
    """The folder or archive itself.

    Raises:
        DataError: it is not there.
    """
    root = Path(name).expanduser()
    if not (root.is_dir() or (root.is_file() and is_archive(root))):
        raise DataError(
            f"there is no folder '{root}'; --dataset folder:PATH needs one with a folder of pictures a class, or a "
            ".zip or .tar of one"
        )
    return root


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
    classes = sorted({parts[above] for parts in folders})
    number = {class_name: index for index, class_name in enumerate(classes)}
    labels = [number[parts[above]] for parts in folders]
    return ImageBank.from_labels(name, pictures.decode(paths, size, channels), labels, classes, classes)


def _check_folders(pictures: Pictures) -> None:
    """Raise DataError where a class folder has no picture, which the listing of pictures does not show."""
    folders = {entry.name for entry in pictures.root.iterdir() if entry.is_dir() and not is_hidden(entry.name)}
    empty = sorted(folders - {path.split("/")[0] for path in pictures.paths})
    if empty:
        raise DataError(
            f"'{pictures.root}' does not hold a folder of pictures for each class: "
            f"found no picture in {', '.join(empty)}"
        )
