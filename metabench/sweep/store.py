"""What is known of runs under a folder of results: which are done, which are being made, which have failed.

Records alone say what is done. An index of them saves reading all of them again: it is a file that is rebuilt, wholly
or in part, whenever it is missing, of another version, or does not fit the records' sizes and times. All else is below
`.sweep/`. Everything is written whole, by an exclusive creation or a rename, so several writers may share the folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from episodes.files.atomic import made_by_one, write_bytes
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.records.keys import record_digest, run_digest
from metabench.records.provenance import origin_of
from metabench.records.reader import read_records, scores_file
from metabench.records.record import RECORD_FILE, DatasetInfo, NetworkInput, RunRecord, now
from metabench.records.selection import Tried

FOLDER = ".sweep"
INDEX_FILE, PLAN_FOLDER, RUN_FOLDER, STAGE_FOLDER = "index.json", "studies", "runs", "stages"
LOG_FILE, FAILURES_FILE, LOCK_FILE = "log.txt", "failures.json", "lock"
TRY_FILE, TRAINING_FOLDER = "try.json", "training"
TAIL_LINES, TAIL_BYTES = 20, 8192  # of a log, that a failure keeps


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Known(_File):
    """A finished run: its digest, what tells runs of earlier versions apart, and what tells how long another will take.

    Attributes:
        rest: digest of all but the options; empty where options were chosen.
        options: of the learner, as the record has them.
        pixels: see `pixels`.
    """

    digest: str
    rest: str
    options: dict[str, Any]
    learner: str
    dataset: str
    shots: int
    ways: int
    backbone: str | None
    pixels: int
    steps: int
    episodes: int
    training_seconds: float
    evaluation_seconds: float

    @classmethod
    def of(cls, record: RunRecord) -> Known:
        """What the index keeps of a record."""
        config, options = record.config, record.config.options
        weights = record.weights.sha256 if record.weights else None
        return cls(
            digest=record_digest(record),
            rest="" if record.selection else run_digest(config, record.dataset, weights, tuple(options)),
            options=options,
            learner=config.learner,
            dataset=record.dataset.name,
            shots=config.task.shots,
            ways=config.task.ways,
            backbone=str(options["backbone"]) if options.get("backbone") else None,
            pixels=pixels(record.dataset, record.inputs),
            steps=int(options.get("steps") or 0),
            episodes=config.test.episodes or 0,
            training_seconds=record.training.seconds,
            evaluation_seconds=record.evaluation_seconds,
        )


def pixels(data: DatasetInfo, inputs: Mapping[str, NetworkInput]) -> int:
    """Of a picture as networks see it: as the largest that scales pictures takes it; 1 of other items."""
    if data.kind != "images":
        return 1
    return max((each.size**2 for each in inputs.values() if each.size), default=math.prod(data.image_shape[1:]))


class _Entry(_File):
    """Of one file of a record: its stamp, and what it is; or what is wrong with it."""

    stamp: tuple[int, ...]
    run: Known | None = None
    problem: str | None = None


class _Index(_File):
    version: str
    entries: dict[str, _Entry]


class Failure(_File):
    """One attempt that failed."""

    time: str
    host: str
    seconds: float
    reason: str
    lines: list[str]


Titles = dict[Annotated[str, Field(pattern="^[0-9a-f]+$")], str]  # digests are names of folders


class Plan(_File):
    """The runs of a study, by digest, with what to call them; and the tries that its settings are chosen from.

    Attributes:
        stages: of each stage that several share, by its key, the digests of the runs that need it.
    """

    study: str
    started: str
    runs: Titles
    tries: Titles = {}
    stages: dict[str, tuple[str, ...]] = {}


def try_digest(digest: str) -> str:
    """Of the try of a run, which has the digest given."""
    return hashlib.blake2b(f"try {digest}".encode(), digest_size=16).hexdigest()


# Another version where the settings of runs, and so their digests, are others.
VERSION = hashlib.blake2b(json.dumps(RunConfig.model_json_schema()).encode() + b"2", digest_size=8).hexdigest()


class Store:
    """The runs under a folder of results, which is made when something is written."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.folder = results / FOLDER

    def done(self) -> dict[str, Known]:
        """Every finished run by its digest, as the records are at this moment, without those from elsewhere."""
        return self.read()[0]

    def read(self) -> tuple[dict[str, Known], list[str]]:
        """What `done` gives, and a line on each record that cannot be read, and so counts as none."""
        entries = self._entries().values()
        return {each.run.digest: each.run for each in entries if each.run}, [
            each.problem for each in entries if each.problem
        ]

    def _entries(self) -> dict[str, _Entry]:
        known = self._read_index()
        stamps = {}
        for path in sorted(self.results.rglob(RECORD_FILE)):
            with suppress(OSError):  # removed meanwhile
                stamps[str(path.relative_to(self.results))] = _stamp(path)
        entries = {name: known[name] for name, stamp in stamps.items() if name in known and known[name].stamp == stamp}
        missing = [name for name in stamps if name not in entries]
        for name, read in zip(missing, read_records([self.results / name for name in missing]), strict=True):
            if isinstance(read, UsageError):
                entries[name] = _Entry(stamp=stamps[name], problem=str(read))
                continue
            own = origin_of((self.results / name).parent) != "unverified"
            entries[name] = _Entry(stamp=stamps[name], run=Known.of(read[0]) if own else None)
        if entries != known and self.results.is_dir():
            index = _Index(version=VERSION, entries=entries)
            write_bytes(self.folder / INDEX_FILE, index.model_dump_json().encode())
        return entries

    def _read_index(self) -> dict[str, _Entry]:
        try:
            index = _Index.model_validate_json((self.folder / INDEX_FILE).read_bytes())
        except (OSError, ValidationError):  # missing, or cut short by a full disk: the records have it all
            return {}
        return index.entries if index.version == VERSION else {}

    def run_folder(self, digest: str) -> Path:
        """The folder of what is known of a run beside its record."""
        return self.folder / RUN_FOLDER / digest

    def stage_folder(self, key: str) -> Path:
        """The folder of a stage that several runs share."""
        return self.folder / STAGE_FOLDER / key

    def planning(self) -> AbstractContextManager[None]:
        """Within it no other process plans, begins to use a stage or removes one."""
        return made_by_one(self.folder / PLAN_FOLDER)

    def log(self, digest: str) -> Path:
        """The file of what the last attempt at a run said."""
        return self.run_folder(digest) / LOG_FILE

    def tried(self, digest: str) -> Tried | None:
        """What a try gave; None where it was not made."""
        try:
            return Tried.model_validate_json((self.run_folder(digest) / TRY_FILE).read_bytes())
        except (OSError, ValidationError):
            return None

    def keep_try(self, digest: str, tried: Tried) -> None:
        """Keep what a try gave."""
        write_bytes(self.run_folder(digest) / TRY_FILE, (tried.model_dump_json() + "\n").encode())

    def training_folder(self, digest: str) -> Path:
        """Where a try leaves what it trained, for the run of the same settings."""
        return self.run_folder(digest) / TRAINING_FOLDER

    def drop_training(self, digests: Iterable[str]) -> None:
        """Remove what these tries trained. What they gave is kept."""
        for digest in digests:
            shutil.rmtree(self.training_folder(digest), ignore_errors=True)

    @contextmanager
    def claimed(self, digest: str) -> Iterator[bool]:
        """Within it no other process makes that run; False where another does. It ends with the process, however.

        Where the file system has no locks, a run may be made twice; each is whole all the same.
        """
        folder = self.run_folder(digest)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK_FILE, fallback_to_soft=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            yield False
            return
        except OSError:
            pass
        try:
            yield True
        finally:
            lock.release()

    def is_claimed(self, digest: str) -> bool:
        """Whether a process is making that run at this moment."""
        if not (self.run_folder(digest) / LOCK_FILE).exists():
            return False
        with self.claimed(digest) as free:
            return not free

    def failures(self, digest: str) -> list[Failure]:
        """The attempts at a run that failed, the newest last."""
        try:
            read = json.loads((self.run_folder(digest) / FAILURES_FILE).read_bytes())
            return [Failure.model_validate(each) for each in read]
        except (OSError, ValueError, TypeError):
            return []

    def add_failure(self, digest: str, reason: str, seconds: float, host: str) -> Failure:
        """Keep that an attempt failed on that machine, with the last lines of its log."""
        failure = Failure(time=now(), host=host, seconds=round(seconds, 1), reason=reason, lines=self.tail(digest))
        every = [each.model_dump() for each in (*self.failures(digest), failure)]
        write_bytes(self.run_folder(digest) / FAILURES_FILE, (json.dumps(every, indent=2) + "\n").encode())
        return failure

    def tail(self, digest: str) -> list[str]:
        """The last lines of what the last attempt at a run said."""
        try:
            with self.log(digest).open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return []
        return [line for line in text.splitlines() if line.strip()][-TAIL_LINES:]

    def said(self, digest: str) -> str:
        """The last of these lines, without the program's name; empty where there is none."""
        return next(iter(self.tail(digest)[-1:]), "").removeprefix("metabench: ")

    def write_plan(
        self,
        study: str,
        runs: dict[str, str],
        tries: dict[str, str],
        stages: Mapping[str, Collection[str]],
    ) -> None:
        """Keep which runs and tries a study has, and which stages they share, for `plans`."""
        shared = {key: tuple(digests) for key, digests in stages.items()}
        plan = Plan(study=study, started=now(), runs=runs, tries=tries, stages=shared)
        with self.planning():
            write_bytes(self.folder / PLAN_FOLDER / f"{study}.json", (plan.model_dump_json(indent=2) + "\n").encode())

    def plans(self) -> list[Plan]:
        """The studies that were begun here, the newest last."""
        found = []
        for path in self.folder.glob(f"{PLAN_FOLDER}/*.json"):
            with suppress(OSError, ValidationError):
                found.append(Plan.model_validate_json(path.read_bytes()))
        return sorted(found, key=lambda plan: plan.started)


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes with a record or its scores."""
    statuses = [path.stat(), *(each.stat() for each in [scores_file(path.parent)] if each.exists())]
    return tuple(number for status in statuses for number in (status.st_mtime_ns, status.st_size, status.st_ino))
