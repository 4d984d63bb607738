"""Where the record in a folder comes from: made here, or added from elsewhere, and whether it was scored again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from episodes.files.atomic import write_bytes
from metabench.records.predictions import predictions_file
from metabench.records.reader import scores_file
from metabench.records.record import RECORD_FILE

Origin = Literal["own", "verified", "unverified"]
ADDED_FILE, VERIFIED_FILE = "added.json", "verified.json"


def origin_of(folder: Path) -> Origin:
    """`own` unless it was added; then `verified` if it was scored again since its files last changed."""
    if not (folder / ADDED_FILE).exists():
        return "own"
    try:
        said = json.loads((folder / VERIFIED_FILE).read_bytes())
        return "verified" if said["digest"] == values_digest(folder) else "unverified"
    except (OSError, ValueError, TypeError, KeyError):
        return "unverified"


def value_files(folder: Path) -> tuple[Path, ...]:
    """The files that a run's values are read from, each where it is or would be."""
    return folder / RECORD_FILE, scores_file(folder), predictions_file(folder)


def values_digest(folder: Path) -> str:
    """32 hexadecimal digits over the files that a run's values are read from."""
    made = hashlib.blake2b(digest_size=16)
    for file in value_files(folder):
        content = file.read_bytes() if file.exists() else b""
        made.update(len(content).to_bytes(8, "big") + content)
    return made.hexdigest()


def mark(folder: Path, name: str, **facts: Any) -> None:
    """Write `added.json` or `verified.json`: the digest of the values that it is about, and further facts."""
    text = json.dumps({"digest": values_digest(folder), **facts}, indent=2) + "\n"
    write_bytes(folder / name, text.encode())
