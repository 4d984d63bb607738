"""The user's cache folder, and files in it that are whole or not there."""

from __future__ import annotations

import hashlib
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np

from episodes.errors import DataError
from episodes.files.atomic import made_by_one, write_atomically
from episodes.places import made_folder

Arrays = dict[str, np.ndarray[Any, Any]]

_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)  # not there yet, or damaged

Thing = TypeVar("Thing")


def made_files() -> dict[Path, int]:
    """The files there with their bytes, those that interrupted processes left too; no files of other programs."""
    patterns = ("*.npz", "*.safetensors", ".*.npz.*", ".*.safetensors.*")
    return {path: path.stat().st_size for pattern in patterns for path in sorted(made_folder().glob(pattern))}


def clear_cache() -> dict[Path, int]:
    """Remove those files, and return what they were.

    Raises:
        DataError: one of them cannot be removed.
    """
    files = made_files()
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DataError(f"cannot remove '{path}': {error.strerror}; remove it by hand") from None
    return files


def content_key(files: Iterable[Path], *more: object) -> str:
    """16 hexadecimal digits that differ for other files, without reading them, and for another `more`.

    Files are known by place, size and times of change, of which the system's own (`ctime`) is not hidden by
    setting back the time of modification. Links on the way are part of the place: their names may be those of classes.

    Raises:
        DataError: a file that cannot be reached, such as a link to nothing.
    """
    facts = []
    for path in files:
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"cannot read '{path}': {error.strerror}; repair or remove it") from None
        facts.append((str(path.absolute()), stat.st_size, stat.st_ctime_ns, stat.st_mtime_ns))
    return hashlib.sha256(repr((facts, more)).encode()).hexdigest()[:16]


def cached_arrays(name: str, make: Callable[[], Arrays]) -> Arrays:
    """The arrays that `make` gives, kept in the cache folder under `name` for the next time.

    A file there that cannot be read is made anew (see `cached`).
    """

    def write(file: IO[bytes], arrays: Arrays) -> None:
        np.savez(file, allow_pickle=False, **arrays)

    return cached(made_folder() / f"{name}.npz", _read_arrays, make, write, _UNREADABLE)


def cached(
    path: Path,
    read: Callable[[Path], Thing],
    make: Callable[[], Thing],
    write: Callable[[IO[bytes], Thing], None],
    unreadable: tuple[type[Exception], ...],
) -> Thing:
    """What `read` gives of the file, which is first made and written where that raises one of `unreadable`.

    Of processes that come at once one makes it and the others wait; where the folder cannot be written, a warning is
    all, and what was made is returned.
    """
    with suppress(*unreadable):
        return read(path)
    with made_by_one(path):
        with suppress(*unreadable):  # another process made it meanwhile
            return read(path)
        made = make()
        try:
            write_atomically(path, lambda file: write(file, made))
        except DataError as error:
            warnings.warn(f"{error} by METABENCH_CACHE; until then it is made anew each time", stacklevel=3)
            return made
        return read(path)


def _read_arrays(path: Path) -> Arrays:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return dict(stored)
