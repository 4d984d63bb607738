"""The reference records that ship with metabench: scores and predictions, no weights and no pictures.

They lie in `results/reference` of a checkout, and a build puts the same files into the package (`setup.cfg`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from metabench.errors import UsageError
from metabench.records.keys import learner_name, same_tasks
from metabench.records.provenance import values_digest
from metabench.records.reader import read_record, record_file
from metabench.records.record import RECORD_FILE
from metabench.records.runs import Run, read_runs


def reference_folder() -> Path:
    """Where they are: in the installed package, or in the checkout that the package is run from.

    Raises:
        UsageError: in neither.
    """
    package = Path(str(files("metabench")))
    for folder in (package / "reference_records", package.parent / "results" / "reference"):
        if folder.is_dir():
            return folder
    raise UsageError(
        f"this installation has no reference records ('{package / 'reference_records'}'); install it again"
    )


def reference_digests() -> set[str]:
    """`metabench.records.provenance.values_digest` of each; none in an installation without them."""
    try:
        folder = reference_folder()
    except UsageError:
        return set()
    return {values_digest(path.parent) for path in folder.glob(f"*/{RECORD_FILE}")}


def reference_runs() -> list[Run]:
    """All of them, verified by the release.

    Raises:
        UsageError: this installation has none.
    """
    return [replace(run, origin="verified") for run in read_runs(reference_folder())[0]]


def with_reference(paths: Sequence[Path]) -> tuple[Path, ...]:
    """The paths of runs, and the reference records of their tasks, but those of the same learner and training seed.

    Raises:
        UsageError: a record cannot be read, or no reference record is of these tasks.
    """
    records = [read_record(record_file(path))[0] for path in paths]
    tasks = {tuple(same_tasks(record).values()) for record in records}
    given = {(learner_name(record), record.config.training.seed, *same_tasks(record).values()) for record in records}
    alike = [run for run in reference_runs() if tuple(same_tasks(run.record).values()) in tasks]
    if not alike:
        raise UsageError(
            f"--reference: no reference record is of the tasks of '{paths[0]}'; `metabench leaderboard --reference` "
            "shows which tasks they are of"
        )
    rivals = [
        run.folder
        for run in alike
        if (learner_name(run.record), run.record.config.training.seed, *same_tasks(run.record).values()) not in given
    ]
    return (*paths, *(folder for folder in rivals if folder))
