"""The reference records that ship with metabench: scores and predictions, no weights and no pictures.

They lie in `results/reference` of a checkout, and a build puts the same files into the package (`setup.cfg`).
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from metabench.errors import UsageError
from metabench.leaderboard import read_runs
from metabench.origin import figures_digest
from metabench.records import RECORD_FILE
from metabench.row import Run


def reference_folder() -> Path:
    """Where they are: in the installed package, or in the checkout that the package is run from.

    Raises:
        UsageError: in neither.
    """
    package = Path(str(files("metabench")))
    for folder in (package / "reference_records", package.parent / "results" / "reference"):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation has no reference records ('{package / 'reference'}'); install it again")


def reference_digests() -> set[str]:
    """`metabench.origin.figures_digest` of each; none in an installation without them."""
    try:
        folder = reference_folder()
    except UsageError:
        return set()
    return {figures_digest(path.parent) for path in folder.glob(f"*/{RECORD_FILE}")}


def reference_runs() -> list[Run]:
    """All of them, verified by the release.

    Raises:
        UsageError: this installation has none.
    """
    return [replace(run, origin="verified") for run in read_runs(reference_folder())[0]]
