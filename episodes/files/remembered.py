"""Where a user's own folders and files are, and where they were last read: records have their names alone."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from episodes.errors import DataError, readable
from episodes.files.archives import user_path
from episodes.files.atomic import write_bytes
from episodes.names import parts, place_of
from episodes.places import cache_folder


def user_place(name: str, data_root: Path | None, noun: str) -> Path:
    """The path that a user gave.

    One that is not a full path is looked for in `data_root` first, and is `data_root` itself where that has its name.

    Args:
        name: the path.
        data_root: as in `DataOptions`.
        noun: `folder` or `file`, for the message.

    Raises:
        DataError: a name that no record could hold.
    """
    if (shown := readable(name)) != name:
        raise DataError(
            f"the name of the {noun} '{shown}' is not UTF-8, and no record could hold it; rename it, or name a link"
        )
    path = user_path(name)
    if data_root is None or path.is_absolute() or path.name in ("", ".."):
        return path
    itself = [data_root] if str(path) in (data_root.name, data_root.resolve().name) else []
    return next((each for each in (data_root / path, *itself) if os.path.lexists(each)), path)


def remember(name: str, root: Path) -> None:
    """Keep the place of what was read, by its short name; where the cache cannot be written, nothing is."""
    with suppress(DataError, OSError):
        write_bytes(_note(name), str(root.absolute()).encode())


def with_places(name: str) -> str:
    """The name of a dataset as a record has it, with the places of its folders that are known and still there."""
    return "+".join(map(_placed, parts(name)))


def last_place(name: str) -> Path | None:
    """Where what has that name was last read, if it is known and still there."""
    with suppress(DataError, OSError, ValueError):
        place = Path(_note(name).read_bytes().decode())
        if place.exists():
            return place
    return None


def _placed(name: str) -> str:
    prefix, path = place_of(name)
    if not prefix or Path(path).exists():
        return name
    place = last_place(name)
    return f"{prefix}{place}" if place else name


def _note(name: str) -> Path:
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return cache_folder() / "places" / digest
