"""Runs of a folder, as the leaderboard and comparisons take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metabench.errors import UsageError
from metabench.records.provenance import Origin, origin_of
from metabench.records.reader import read_records
from metabench.records.record import RECORD_FILE, RunRecord


@dataclass(frozen=True)
class Run:
    """A record, its metric on each test task, its folder where it was read from one, and where it comes from."""

    record: RunRecord
    of_tasks: NDArray[np.float64]
    folder: Path | None = None
    origin: Origin = "own"


def read_runs(folder: Path) -> tuple[list[Run], list[str]]:
    """The runs of all records below the folder, by path, and a line on each record that cannot be used.

    Raises:
        UsageError: the folder is missing, or holds no record at all.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'; `metabench run` makes records, --results names their folder")
    paths = sorted(folder.rglob(RECORD_FILE))
    if not paths:
        raise UsageError(f"there is no record ({RECORD_FILE}) below '{folder}'; `metabench run` makes one")
    good, bad = [], []
    for path, read in zip(paths, read_records(paths), strict=True):
        if isinstance(read, UsageError):
            bad.append(str(read))
        else:
            good.append(Run(*read, path.parent, origin_of(path.parent)))
    return good, bad
