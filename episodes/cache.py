"""The user's cache folder, and files in it that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import platformdirs

from episodes.errors import DataError


def cache_folder() -> Path:
    """Where banks made at first use are kept: `$METABENCH_CACHE`, or the platform's cache folder for metabench."""
    chosen = os.environ.get("METABENCH_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("metabench")


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Let `write` fill a file that takes the name `path` only when it is whole and on the disk.

    Two processes may do so at once: one of the two whole files stays.

    Raises:
        DataError: if the folder cannot be made or written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"cannot write '{path}': {error.strerror or error}; choose a folder that can be written") from None
    finally:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
