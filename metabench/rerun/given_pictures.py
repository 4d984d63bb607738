"""The labelled pictures and the queries that a user gives, read as `folder:` reads them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from episodes.banks.images import ImageBank
from episodes.datasets.images.layout import read_layout
from episodes.errors import DataError
from episodes.files.archives import is_archive
from episodes.files.pictures import MOST_BYTES, Pictures, decode_picture, describe_left_out
from metabench.errors import UsageError
from metabench.rerun.given import Support, by_label, sorted_by_label

NEEDS = "give a folder with a folder of pictures per class, or a .zip or .tar of one"


def read_pictures(
    support: Support, queries: Sequence[str | Path], shape: tuple[int, ...]
) -> tuple[list[str], list[str], ImageBank]:
    """The classes, what the queries are called, and a bank of the labelled pictures with the queries as last class.

    Args:
        support: a folder or archive of class folders, or labels with paths of pictures.
        queries: pictures, and folders or archives of them.
        shape: (C, H, W) that they are brought to.

    Raises:
        UsageError, episodes.DataError: something is missing, cannot be read or is not a picture.
    """
    if isinstance(support, str | Path):
        images, labels = _class_folders(Path(support), shape)
    else:
        paths, labels = by_label(support)
        images = torch.stack([_one(_path(path), shape) for path in paths])
    names: list[str] = []
    parts: list[Tensor] = []
    for query in map(_path, queries):
        found, decoded = _queries(query, shape)
        names += found
        parts.append(decoded)
    classes, numbers = sorted_by_label(labels)
    together = [*numbers, *[len(classes)] * len(names)]
    called = [*classes, "queries"]
    keys = [str(number) for number in range(len(called))]
    return classes, names, ImageBank.from_labels("pictures", torch.cat([images, *parts]), together, keys, keys)


def _path(given: Any) -> Path:
    if not isinstance(given, str | Path):
        raise UsageError(f"a picture is of type {type(given).__name__}; give the path of its file, a str or Path")
    return Path(given)


def _class_folders(root: Path, shape: tuple[int, ...]) -> tuple[Tensor, list[str]]:
    if not root.is_dir() and not (root.is_file() and is_archive(root)):
        found = "it is a file" if root.is_file() else "there is nothing of that name"
        raise UsageError(f"--support '{root}': {found}, and the run is of pictures; {NEEDS}")
    pictures = Pictures(root)
    layout = read_layout(pictures)
    if pictures.left_out:
        warnings.warn(f"'{root}': left out {describe_left_out(pictures.left_out)}", stacklevel=4)
    return _decoded(pictures, shape), layout.classes


def _queries(path: Path, shape: tuple[int, ...]) -> tuple[list[str], Tensor]:
    """A picture, or all of a folder or an archive, with their paths."""
    if path.is_dir() or (path.is_file() and is_archive(path)):
        pictures = Pictures(path)
        if not pictures.paths:
            raise UsageError(f"there are no pictures in '{path}'; name pictures, or a folder of them")
        return [str(path / each) for each in pictures.paths], _decoded(pictures, shape)
    return [str(path)], _one(path, shape)[None]


def _decoded(pictures: Pictures, shape: tuple[int, ...]) -> Tensor:
    """All pictures, `[n, C, H, W]` uint8."""
    return _fitted(pictures.decode(pictures.paths, max(shape[1:]), shape[0]), shape)


def _one(path: Path, shape: tuple[int, ...]) -> Tensor:
    if not os.path.lexists(path):
        raise UsageError(f"there is no picture or folder '{path}'; the run is of pictures, so name files of them")
    if not path.is_file() or path.stat().st_size > MOST_BYTES:
        what = "too large for a picture" if path.is_file() else "neither a file nor a folder, or a broken link"
        raise UsageError(f"cannot read the picture '{path}': it is {what}; name a picture")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read the picture '{path}': {error.strerror or error}") from None
    return _fitted(decode_picture(content, path, max(shape[1:]), shape[0])[None], shape)[0]


def _fitted(images: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Squares brought to a shape that may be none."""
    if tuple(images.shape[1:]) == shape:
        return images
    return ImageBank("pictures", images, ("all",), (len(images),), ("all",)).fitted(shape).images
