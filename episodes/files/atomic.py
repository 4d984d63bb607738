"""Files that are there whole or not at all, and made by one process only."""

from __future__ import annotations

import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from filelock import FileLock

from episodes.errors import DataError


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
    except BrokenPipeError:  # not a fault: a reader such as `head` has seen enough
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
