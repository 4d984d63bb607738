"""`metabench leaderboard --add`: records that were made elsewhere, copied beside one's own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from metabench.errors import RunError, UsageError
from metabench.records.bundle import check_run, unpacked
from metabench.records.checkpoint import WEIGHTS_FILE
from metabench.records.folder import numbered
from metabench.records.predictions import predictions_file, read_predictions
from metabench.records.provenance import ADDED_FILE, VERIFIED_FILE, mark, value_files, values_digest
from metabench.records.reader import read_record
from metabench.records.record import HARDEST_FILE, HARDEST_PAGE, RECORD_FILE, now
from metabench.records.reference import reference_digests

ADDED_FOLDER = "added"


@dataclass
class Added:
    """What came of it.

    Attributes:
        folders: of the records that were added, in the results.
        released: how many of these are reference records, byte for byte, and so verified by the release.
        known: how many were there before.
        problems: a line on each that is not valid.
    """

    folders: list[Path] = field(default_factory=list)
    released: int = 0
    known: int = 0
    problems: list[str] = field(default_factory=list)


def add_records(theirs: Path, results: Path) -> Added:
    """Copy every valid run below a folder, or in a bundle, to `added/` in the results, marked as added.

    What is one of the reference records that ship with metabench, byte for byte, is marked as verified too. Of a run's
    folder only the files that runs have are taken: values, weights, the picture or page of the hardest tasks. A record
    that is in the results already, byte for byte, is not added again. Of a bundle each file must be as its manifest
    says, and each run must have all that `metabench verify` reads.

    Args:
        theirs: a folder with runs, or a bundle of `metabench submit`.
        results: the folder with one's own; made if it is not there.

    Raises:
        UsageError: `theirs` is missing, has no record, lies within the results or contains them, or is a bundle that
            is not what it says.
        RunError: the copies cannot be written.
    """
    if theirs.is_file():
        with unpacked(theirs) as folder:
            done = _add_below(folder, results, theirs.stem, str(theirs), check_run)
            done.problems = [problem.replace(str(folder), str(theirs)) for problem in done.problems]
            return done
    source, target = theirs.resolve(), results.resolve()
    if not source.is_dir():
        raise UsageError(
            f"--add: there is no folder and no bundle '{theirs}'; name one with runs, each a folder with {RECORD_FILE}"
        )
    if source.is_relative_to(target) or target.is_relative_to(source):
        raise UsageError(f"--add: '{theirs}' and --results '{results}' lie within each other; keep theirs elsewhere")
    return _add_below(source, results, source.name, str(theirs), _check_values)


def _check_values(folder: Path) -> None:
    for file in (*value_files(folder), folder / WEIGHTS_FILE):
        if file.is_symlink():
            raise UsageError(f"'{file}' is a link, and a run is taken with files of its own; put the file there")
    _, of_tasks = read_record(folder / RECORD_FILE)
    if (file := predictions_file(folder)).exists():
        read_predictions(file, of_tasks)


def _add_below(source: Path, results: Path, name: str, theirs: str, check: Callable[[Path], None]) -> Added:
    """Those below a folder that pass the check, to the folder of that name."""
    paths = sorted(source.rglob(RECORD_FILE))
    if not paths:
        raise UsageError(f"--add: there is no record ({RECORD_FILE}) below '{theirs}'; ask for whole run folders")
    released = reference_digests()
    known = {values_digest(path.parent) for path in results.rglob(RECORD_FILE) if path.is_file()}
    done = Added()
    for path in paths:
        try:
            check(path.parent)
        except UsageError as error:
            done.problems.append(str(error))
            continue
        digest = values_digest(path.parent)
        if digest in known:
            done.known += 1
            continue
        known.add(digest)
        made = _copy(path.parent, results / ADDED_FOLDER / name, theirs)
        if digest in released:
            mark(made, VERIFIED_FILE, verified=now(), by="release")
            done.released += 1
        done.folders.append(made)
    return done


def _copy(folder: Path, to: Path, theirs: str) -> Path:
    """The folder's copy, which is there as a whole or not at all."""
    try:
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=to, prefix=".") as place:
            made = Path(place, "run")
            made.mkdir()
            shown = (folder / HARDEST_FILE, folder / HARDEST_PAGE)
            for file in (*value_files(folder), folder / WEIGHTS_FILE, *shown):
                if file.is_file() and not file.is_symlink():
                    shutil.copyfile(file, made / file.name)
            mark(made, ADDED_FILE, added=now(), source=theirs)
            target = next(name for name in numbered(to / folder.name) if not name.exists())
            return made.rename(target)
    except OSError as error:
        raise RunError(f"cannot copy '{folder}' to '{to}': {error.strerror or error}; nothing of it is kept") from None
