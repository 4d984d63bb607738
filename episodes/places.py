"""Where files that metabench makes are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from episodes.errors import DataError


def cache_folder() -> Path:
    """Where banks made at first use are kept: `$METABENCH_CACHE`, or the platform's cache folder for metabench."""
    chosen = os.environ.get("METABENCH_CACHE")
    folder = Path(chosen) if chosen else platformdirs.user_cache_path("metabench")
    # Python's own for bytes that are not UTF-8, which safetensors does not take as a path.
    if any("\ud800" <= each < "\ue000" for each in str(folder)):
        raise DataError(f"the cache folder {str(folder)!r} is not valid UTF-8; set METABENCH_CACHE to another folder")
    return folder


def made_folder() -> Path:
    """The part of the cache folder with what can be made anew; downloads are in another."""
    return cache_folder() / "banks"
