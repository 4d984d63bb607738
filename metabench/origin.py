"""Where the record in a folder comes from: made here, or added from elsewhere, and whether it was scored again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from episodes.cache import write_bytes
from metabench.answers import ANSWERS_FILE
from metabench.records import ACCURACIES_FILE, RECORD_FILE

Origin = Literal["own", "verified", "unverified"]
ADDED_FILE, VERIFIED_FILE = "added.json", "verified.json"
FIGURES = (RECORD_FILE, ACCURACIES_FILE, ANSWERS_FILE)


def origin_of(folder: Path) -> Origin:
    """`own` unless it was added; then `verified` if it was scored again since its files last changed."""
    if not (folder / ADDED_FILE).exists():
        return "own"
    try:
        said = json.loads((folder / VERIFIED_FILE).read_bytes())
        return "verified" if said["digest"] == figures_digest(folder) else "unverified"
    except (OSError, ValueError, TypeError, KeyError):
        return "unverified"


def figures_digest(folder: Path) -> str:
    """32 hexadecimal digits over the files that a run's figures are read from."""
    made = hashlib.blake2b(digest_size=16)
    for name in FIGURES:
        content = (folder / name).read_bytes() if (folder / name).exists() else b""
        made.update(len(content).to_bytes(8, "big") + content)
    return made.hexdigest()


def mark(folder: Path, name: str, **facts: Any) -> None:
    """Write `added.json` or `verified.json`: the digest of the figures that it is about, and further facts."""
    text = json.dumps({"digest": figures_digest(folder), **facts}, indent=2) + "\n"
    write_bytes(folder / name, text.encode())
