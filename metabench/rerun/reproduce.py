"""`metabench reproduce`: a record's configuration run again, and whether the values agree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from metabench.errors import UsageError
from metabench.escape import plain
from metabench.experiment.prepare import prepare_tasks
from metabench.experiment.runner import run_config
from metabench.metrics.metric import METRICS
from metabench.records.keys import Row, board_of, row_of
from metabench.records.reader import read_record, record_file
from metabench.records.record import RECORD_FILE, RunRecord
from metabench.records.reference import reference_runs
from metabench.records.runs import read_runs
from metabench.rerun.load import config_again
from metabench.stats.intervals import retraining_deviation

SAME = 1e-5  # of a task's score: files keep six digits
OWN_SEEDS = 3  # from which on a learner's own seeds say enough of it


@dataclass(frozen=True)
class Reproduction:
    """A record and its repetition.

    Attributes:
        recorded, repeated: the two.
        folder: of the repetition.
        differing: how many tasks have another score.
        deviation: of the mean score when a learner is trained again, from runs on the same tasks; nan if not known.
        freedom: its degrees of freedom.
        whose: whose training seeds these are: the learner's own, or those of all learners at hand.
        changes: what is not as it was, in words.
    """

    recorded: RunRecord
    repeated: RunRecord
    folder: Path
    differing: int
    deviation: float
    freedom: int
    whose: str
    changes: tuple[str, ...]

    @property
    def difference(self) -> float:
        """The repetition's mean less the record's."""
        return self.repeated.score.mean - self.recorded.score.mean

    @property
    def allowed(self) -> float:
        """How far the means of two trainings may be apart on the same tasks, at 95%: t s sqrt(2); nan if not known.

        Training that does not repeat bit for bit differs like training from another seed. The interval over tasks has
        no part in it, for the tasks are the same.
        """
        return float(stats.t.ppf(0.975, self.freedom) * self.deviation * np.sqrt(2)) if self.freedom else np.nan

    @property
    def agrees(self) -> bool:
        """Whether the scores are the same, or known to be no further apart than two trainings are."""
        return not self.differing or abs(self.difference) <= self.allowed

    def __str__(self) -> str:
        before, after = self.recorded.score, self.repeated.score
        metric, tasks = METRICS[before.metric], self.repeated.config.test.episodes
        scores = f"{metric.label} {metric.text(after.mean)}, in the record {metric.text(before.mean)}"
        if not self.differing:
            return f"reproduced: {scores}, the same on each of the {tasks} tasks"
        apart = f"{scores}; a difference of {metric.text(abs(self.difference))}"
        if self.freedom:
            verdict = "agrees" if self.agrees else "does not agree"
            first = (
                f"{verdict}: {apart}, where training again differs by up to {metric.text(self.allowed)} ({self.whose})"
            )
        else:
            first = (
                f"differs: {apart}; no record at hand says by how much training again differs on these tasks: "
                "run it with --seed 1 and --seed 2 to know"
            )
        changes = "; ".join(self.changes)
        return f"{first}\n{self.differing} of {tasks} tasks have another score; " + (
            f"not as it was: {changes}" if changes else "versions and machine are the record's"
        )


def reproduce(path: str | Path, *, resume: bool = False, **settings: Any) -> Reproduction:
    """Run a record's configuration again, as a new run, and compare the two.

    On the same processor and versions and with as many threads, a run on CPU repeats bit for bit. Options that were
    chosen are taken as they are, with what the record says of their choice: the search is not repeated.

    Args:
        path: the record, or its folder.
        resume: go on from the checkpoint that an interrupted reproduction left.
        settings: fields of RunConfig for this machine: `data_root`, `tasks`, `output`, `device`, `threads`.

    Raises:
        UsageError, episodes.DataError: the record cannot be read, or data or frozen tasks are not those of the record;
            before any training.
        RunError: as of `metabench.run`.
    """
    file = record_file(path)
    recorded, before = read_record(file)
    config = config_again(file.parent, recorded, **settings)
    prepare_tasks(config, again=(file.parent, recorded))  # raises, before any training, where the data are others
    repeated = run_config(config, resume=resume, selection=recorded.selection)
    folder = config.output.output / repeated.id
    _, after = read_record(folder / RECORD_FILE)
    deviation, freedom, whose = _retraining(recorded, (file.parent.parent, config.output.output), but=folder)
    changes = tuple(_changes(recorded, repeated))
    return Reproduction(recorded, repeated, folder, _differing(before, after), deviation, freedom, whose, changes)


def _differing(before: NDArray[np.float64], after: NDArray[np.float64]) -> int:
    shared = min(len(before), len(after))
    close = np.isclose(before[:shared], after[:shared], rtol=SAME, atol=SAME)
    return int((~close).sum()) + abs(len(before) - len(after))


def _retraining(recorded: RunRecord, folders: tuple[Path, ...], but: Path) -> tuple[float, int, str]:
    """The deviation of training again, its degrees of freedom, and whose it is.

    Of the record's own learner and settings where three seeds or more are at hand or no other learner has two; else
    pooled over the learners that have two or more on the same tasks. The reference records are at hand, too.
    """
    runs = [run for folder in {each.resolve() for each in folders} for run in read_runs(folder)[0]]
    with suppress(UsageError):
        runs += reference_runs()
    tables: dict[Row, dict[int, NDArray[np.float64]]] = {}
    for run in runs:
        record = run.record
        same_tasks = (
            board_of(record) == board_of(recorded)
            and record.config.test.test_seed == recorded.config.test.test_seed
            and record.config.test.episodes == recorded.config.test.episodes
        )
        if same_tasks and record.seeded and run.folder != but:
            tables.setdefault(row_of(record), {}).setdefault(record.config.training.seed, run.of_tasks)
    own = tables.get(row_of(recorded), {})
    several = [seeds for seeds in tables.values() if len(seeds) > 1]
    if len(own) >= OWN_SEEDS or several == [own]:
        several, whose = [own], f"its own {len(own)} training seeds"
    else:
        whose = f"the training seeds of learners here: {len(several)}"
    return *retraining_deviation(np.stack(list(seeds.values())) for seeds in several), f"by {whose}"


def _changes(recorded: RunRecord, repeated: RunRecord) -> Iterator[str]:
    before, after = (_facts(record) for record in (recorded, repeated))
    for name in after:
        if before.get(name) != after[name]:
            yield f"{name} {plain(str(before.get(name)), 60)}, now {after[name]}"


def _facts(record: RunRecord) -> dict[str, Any]:
    """What a run's numbers depend on, beside its configuration."""
    packages = record.environment.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    names = ("python", "platform", "device", "processor", "capability", "threads", "commit")
    return {
        **versions,
        **{name: record.environment.get(name) for name in names},
    }
