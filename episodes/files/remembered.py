"""Where a folder of pictures was last read on this machine: a record has only its name, by which it is found again."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from episodes.errors import DataError
from episodes.files.atomic import write_bytes
from episodes.names import FOLDER, parts
from episodes.places import cache_folder


def remember(name: str, root: Path) -> None:
    """Keep the place of a folder that was read, by its short name; where the cache cannot be written, nothing is."""
    with suppress(DataError, OSError):
        write_bytes(_note(name), str(root.absolute()).encode())


def with_places(name: str) -> str:
    """The name of a dataset as a record has it, with the places of its folders that are known and still there."""
    return "+".join(map(_placed, parts(name)))


def _placed(name: str) -> str:
    if not name.startswith(FOLDER) or Path(name.removeprefix(FOLDER)).exists():
        return name
    with suppress(DataError, OSError, ValueError):
        place = Path(_note(name).read_bytes().decode())
        if place.exists():
            return f"{FOLDER}{place}"
    return name


def _note(name: str) -> Path:
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return cache_folder() / "places" / digest
