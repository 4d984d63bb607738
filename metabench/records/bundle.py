"""Bundles: runs in one file for somebody else, with a digest of each of their files; `metabench submit`.

A bundle is a ZIP archive of `manifest.json` and, for each run, a folder with its record, scores, predictions and
weights. It may come from anyone: nothing is written by a name that it brings along but the few that runs have.
"""

from __future__ import annotations

import hashlib
import platform
import re
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from episodes.files.atomic import write_atomically
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.checkpoint import WEIGHTS_FILE, unusable
from metabench.records.folder import load_run, numbered
from metabench.records.predictions import ANSWERS_FILE, PREDICTIONS_FILE, predictions_file, read_predictions
from metabench.records.provenance import value_files
from metabench.records.reader import MOST_BYTES, MOST_BYTES_OF_TASKS, read_record, record_file
from metabench.records.record import ACCURACIES_FILE, HARDEST_FILE, HARDEST_PAGE, RECORD_FILE, SCORES_FILE, now

MANIFEST_FILE, MOST_BYTES_OF_MANIFEST = "manifest.json", 2**20
MOST_BYTES_OF = {
    RECORD_FILE: MOST_BYTES,
    **dict.fromkeys((SCORES_FILE, ACCURACIES_FILE, PREDICTIONS_FILE, ANSWERS_FILE), MOST_BYTES_OF_TASKS),
    WEIGHTS_FILE: 2**32,
    **dict.fromkeys((HARDEST_FILE, HARDEST_PAGE), 2**20),
}  # every file that a run in a bundle may have
MOST_BYTES_OF_ALL = 2**33
MOST_TIMES = 100  # that files may be as large as the bundle: ours are 2 to 10 times as large
BYTES_AT_ONCE = 2**20
DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError)  # what zipfile raises of broken bytes

RunName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}$")]
FileName = Annotated[str, StringConstraints(pattern=f"^({'|'.join(map(re.escape, MOST_BYTES_OF))})$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledFile(_Part):
    """A file's size, and the SHA-256 of its content."""

    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")


class Manifest(_Part):
    """What is in a bundle: by run and file, and the versions of what made it."""

    format: Literal["metabench bundle"] = "metabench bundle"
    version: Literal[1] = 1
    created: str
    versions: dict[str, str]
    runs: dict[RunName, dict[FileName, BundledFile]] = Field(min_length=1)


def write_bundle(runs: Sequence[Path], bundle: Path) -> Manifest:
    """Check finished runs, as a receiver will, and write them to one file.

    Args:
        runs: their folders, or the records in them.
        bundle: the file; one that is there is replaced.

    Raises:
        UsageError: a run is not whole, or too large.
        episodes.DataError: the file cannot be written.
    """
    folders: dict[str, Path] = {}
    for path in runs:
        folder = record_file(path).parent.resolve()
        check_run(folder)
        if folder not in folders.values():
            stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", folder.name).lstrip(".")[:150] or "run"
            folders[next(each.name for each in numbered(Path(stem)) if each.name not in folders)] = folder
    files = {name: _files(folder) for name, folder in folders.items()}
    versions = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("metabench", "torch", "numpy")},
    }
    entries = {
        name: {file.name: BundledFile(bytes=file.stat().st_size, sha256=_digest(file)) for file in of_run}
        for name, of_run in files.items()
    }
    manifest = Manifest(created=now(), versions=versions, runs=entries)
    _check_sizes(manifest, MOST_BYTES_OF_ALL, bundle)

    def write(target: IO[bytes]) -> None:
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(MANIFEST_FILE, manifest.model_dump_json(indent=2) + "\n")
            for name, of_run in files.items():
                for file in of_run:
                    packed = zipfile.ZIP_STORED if file.name == WEIGHTS_FILE else zipfile.ZIP_DEFLATED
                    archive.write(file, f"{name}/{file.name}", packed)

    write_atomically(bundle, write)
    return manifest


def check_run(folder: Path) -> None:
    """Raise UsageError unless a run has all that `metabench verify` reads, as far as no learner is needed to tell."""
    record, of_tasks = read_record(folder / RECORD_FILE)
    if record.predictions is not None:
        read_predictions(predictions_file(folder), of_tasks)
    weights = folder / WEIGHTS_FILE
    if weights.is_file():
        if not zipfile.is_zipfile(weights):
            raise unusable(weights, "it is not a file of torch")
        with zipfile.ZipFile(weights) as archive:  # as torch writes it, nothing of which is compressed
            if sum(info.file_size for info in archive.infolist()) > weights.stat().st_size:
                raise unusable(weights, "it holds more than its size")
    load_run(folder, record)


@contextmanager
def unpacked(bundle: Path) -> Iterator[Path]:
    """A folder with a bundle's runs, each a folder, as long as it is needed; each file is what the manifest says.

    Raises:
        UsageError: it is no bundle, damaged, too large, or holds anything else than its manifest says.
    """
    with tempfile.TemporaryDirectory(prefix="metabench-") as place:
        try:
            with zipfile.ZipFile(bundle) as archive:
                _unpack(archive, bundle, Path(place))
        except UsageError:
            raise
        except DAMAGE as error:
            raise _refused(bundle, f"it is damaged, or no ZIP archive ({error})") from None
        except OSError as error:
            raise UsageError(f"cannot read '{bundle}': {error.strerror or error}") from None
        yield Path(place)


def _unpack(archive: zipfile.ZipFile, bundle: Path, place: Path) -> None:
    members = {info.filename: info for info in archive.infolist()}
    manifest = _manifest(members, archive, bundle)
    _check_sizes(manifest, min(MOST_BYTES_OF_ALL, MOST_TIMES * bundle.stat().st_size), bundle)
    for name, of_run in manifest.runs.items():
        if RECORD_FILE not in of_run:
            raise _refused(bundle, f"its run '{name}' has no {RECORD_FILE}")
    wanted = {f"{name}/{file}": entry for name, of_run in manifest.runs.items() for file, entry in of_run.items()}
    if len(members) != len(archive.infolist()) or set(members) != {MANIFEST_FILE, *wanted}:
        raise _refused(bundle, "its files are not those of its manifest")
    for name, entry in wanted.items():
        if members[name].file_size != entry.bytes:
            raise _refused(bundle, f"{name} has {members[name].file_size} bytes, and {entry.bytes} in the manifest")
        target = place / name
        target.parent.mkdir(exist_ok=True)
        with archive.open(members[name]) as source, target.open("wb") as file:
            found = _copied(source, file)
        if found != entry.sha256:
            raise _refused(bundle, f"{name} is not the file of the manifest: its SHA-256 is {found}")


def _manifest(members: dict[str, zipfile.ZipInfo], archive: zipfile.ZipFile, bundle: Path) -> Manifest:
    for info in members.values():
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _refused(bundle, f"{plain(info.filename, 100)} is encrypted, or compressed otherwise than by deflate")
    own = members.get(MANIFEST_FILE)
    if own is None or own.file_size > MOST_BYTES_OF_MANIFEST:
        raise _refused(bundle, f"it has no {MANIFEST_FILE}, or one that is too large")
    try:
        return Manifest.model_validate_json(archive.read(own))
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise _refused(bundle, f"{MANIFEST_FILE}: {place + ': ' if place else ''}{problem['msg']}") from None


def _check_sizes(manifest: Manifest, most: int, bundle: Path) -> None:
    total = 0
    for name, of_run in manifest.runs.items():
        for file, entry in of_run.items():
            if entry.bytes > MOST_BYTES_OF[file]:
                raise _refused(bundle, f"{name}/{file} has {entry.bytes:,} bytes, more than {MOST_BYTES_OF[file]:,}")
            total += entry.bytes
    if total > most:
        raise _refused(bundle, f"its files have {total:,} bytes, more than {most:,}")


def _files(folder: Path) -> list[Path]:
    """Those of a run that go into a bundle; of pictures none that is too large to be shown."""
    shown = [file for file in (folder / HARDEST_FILE, folder / HARDEST_PAGE) if file.is_file()]
    small = [file for file in shown if file.stat().st_size <= MOST_BYTES_OF[file.name]]
    return [file for file in (*value_files(folder), folder / WEIGHTS_FILE) if file.is_file()] + small


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _copied(source: IO[bytes], target: IO[bytes]) -> str:
    """The SHA-256 of what was copied."""
    made = hashlib.sha256()
    while part := source.read(BYTES_AT_ONCE):
        made.update(part)
        target.write(part)
    return made.hexdigest()


def _refused(bundle: Path, reason: str) -> UsageError:
    return UsageError(f"'{bundle}' is not a bundle that can be taken: {plain(reason, 300)}; ask for it again")
