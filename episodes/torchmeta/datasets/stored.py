"""The files that torchmeta itself wrote: pictures in HDF5, labels in JSON."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from episodes.errors import DataError


class MissingData(DataError, RuntimeError):  # noqa: N818 - it is an error because it is a DataError
    """The files are not there, or not whole: a RuntimeError, as torchmeta raises it."""


class Stored(NamedTuple):
    """Two files of a split.

    Attributes:
        pictures: HDF5, an array of pictures a class.
        labels: JSON, the list of classes.
        group: what the arrays are in.
    """

    pictures: Path
    labels: Path
    group: str

    def there(self) -> bool:
        return self.pictures.is_file() and self.labels.is_file()

    def read(self) -> tuple[list[Any], StoredPictures]:
        """The labels, and the pictures by the labels' names.

        Raises:
            MissingData: h5py is not installed, a file cannot be read, or a class has no pictures.
        """
        try:
            labels = json.loads(self.labels.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise MissingData(f"cannot read '{self.labels}': {error}; let torchmeta write it anew") from None
        if not isinstance(labels, list) or not all(map(_is_label, labels)):
            raise MissingData(f"'{self.labels}' is not a list of names; let torchmeta write it anew")
        pictures = StoredPictures(self.pictures, self.group, [key_of(label) for label in labels])
        pictures.check()
        return labels, pictures


def _is_label(label: Any) -> bool:
    parts = label if isinstance(label, list) and label else [label]
    return all(isinstance(part, str) and part for part in parts)


def key_of(label: Any) -> str:
    """What a class is called in `data`: its name, or the parts of it with slashes between."""
    return "/".join(label) if isinstance(label, list | tuple) else str(label)


class StoredPictures(Mapping[str, Any]):
    """Arrays by class in an HDF5 file, which each process opens for itself when it first reads.

    Args:
        path: the file.
        group: what in it has the arrays.
        names: of the classes.
    """

    def __init__(self, path: Path, group: str, names: list[str]) -> None:
        self._path = path
        self._group = group
        self._names = names
        self._file: Any = None
        self._owner = 0

    def check(self) -> None:
        """MissingData if h5py is not installed, or the file cannot be read or lacks the pictures of a class."""
        try:
            file = self._open()
            shapes = {name: getattr(file[name], "shape", ()) if name in file else () for name in self._names}
        except (OSError, KeyError) as error:
            raise MissingData(f"cannot read '{self._path}': {error}; let torchmeta write it anew") from None
        missing = [name for name, shape in shapes.items() if not shape or 0 in shape]
        if missing:
            self.close()
            raise MissingData(
                f"'{self._path}' lacks pictures of {len(missing)} classes, '{missing[0]}' first; "
                "let torchmeta write it anew"
            )

    def __getitem__(self, name: str) -> Any:
        return self._open()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def close(self) -> None:
        if self._file is not None and self._owner == os.getpid():
            self._file.close()
        self._file = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def _open(self) -> Any:
        if self._file is None or self._owner != os.getpid():  # a handle must not be shared with a forked process
            try:
                h5py = importlib.import_module("h5py")  # which nothing else here needs
            except ImportError:
                raise MissingData(f"'{self._path}' was written by torchmeta; `pip install h5py` to read it") from None
            self._file, self._owner = h5py.File(self._path, "r"), os.getpid()
        return self._file[self._group]
