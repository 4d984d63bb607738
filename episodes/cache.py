"""The user's cache folder, and files in it that are whole or not there."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import platformdirs
from filelock import FileLock

from episodes.errors import DataError

Arrays = dict[str, np.ndarray[Any, Any]]

_UNREADABLE = (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)  # not there yet, or damaged

Thing = TypeVar("Thing")


def cache_folder() -> Path:
    """Where banks made at first use are kept: `$METABENCH_CACHE`, or the platform's cache folder for metabench."""
    chosen = os.environ.get("METABENCH_CACHE")
    folder = Path(chosen) if chosen else platformdirs.user_cache_path("metabench")
    # Python's own for bytes that are not UTF-8, which safetensors takes for no path.
    if any("\ud800" <= each < "\ue000" for each in str(folder)):
        raise DataError(f"the cache folder {str(folder)!r} is no name in UTF-8; set METABENCH_CACHE to another")
    return folder


def made_folder() -> Path:
    """The part of the cache folder with what can be made anew; downloads are in another."""
    return cache_folder() / "banks"


def made_files() -> dict[Path, int]:
    """The files there with their bytes, those that interrupted processes left too; none of another's making."""
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


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file that takes the name `path` only when it is whole and on the disk.

    A link is followed, a pipe or device is written to as it is, and a file that is replaced keeps its permissions. Two
    processes may do so at once: one of the two whole files stays.

    Raises:
        DataError: if the folder cannot be made or written.
        BrokenPipeError: the reader of a pipe has left.
    """
    temporary = ""
    try:
        mode = path.stat().st_mode if path.exists() else stat.S_IFREG | 0o644
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            made = io.BytesIO()  # since some writers go back and forth
            write(made)
            with path.open("wb") as device:
                device.write(made.getvalue())
            return
        path = path.resolve() if path.is_symlink() else path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        with Path(temporary).open("wb") as file:  # by its name, which some writers ask for
            write(file)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(stat.S_IMODE(mode))
        Path(temporary).replace(path)
    except BrokenPipeError:  # no fault: such as `head` has seen enough
        raise
    except OSError as error:
        raise DataError(
            f"cannot write '{path}': {error.strerror or error}; choose a folder that can be written"
        ) from None
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """The same for content that is at hand."""
    write_atomically(path, lambda file: file.write(content))


@contextmanager
def made_by_one(path: Path) -> Iterator[None]:
    """Within it no other process makes the file: one that comes meanwhile waits, and then finds it there.

    The lock is the system's, which falls with the process that holds it, however that ends. Where there can be none,
    as in a folder that cannot be written, each process makes the file by itself.
    """
    # No soft lock where the system has none: it would outlive a process that is killed.
    lock = FileLock(path.with_name(f".{path.name}.lock"), fallback_to_soft=False)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        if lock.is_locked:
            with suppress(OSError):
                Path(lock.lock_file).unlink()  # before the release, after which it may be another's
            lock.release()


def content_key(files: Iterable[Path], *more: object) -> str:
    """16 hexadecimal digits, others for other files, without reading them; and for others of what else is given.

    Files are told apart by place, size and times of change, of which the system's own (`ctime`) is not hidden by
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
