"""Records to one table: a row for each learner, dataset and task, and its rank."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.measure import ACCURACY, SQUARED_ERROR, Measure
from metabench.records import RECORD_FILE, RunRecord, read_record
from metabench.stats import mean_interval

SCHEMA_VERSION = 1  # of the columns below; it rises with any change of their names or meaning
COLUMNS = {
    "schema_version": "of these columns: 1",
    "dataset": "dataset as given to --dataset",
    "split": "its class split",
    "ways": "classes a task; 1 in regression",
    "shots": "support images a class; in regression known points",
    "queries": "query images a class; in regression points to predict",
    "task": "what makes the tasks other than plain N-way K-shot; empty for plain",
    "rank": "within the same tasks; rows share one where neighbours do not differ (paired t, Holm, 5%)",
    "learner": "learner as given to --learner",
    "settings": "options and budgets that differ from the learner's defaults for the dataset; empty for the defaults",
    "accuracy": "mean accuracy on test tasks, in percent; empty in regression",
    "squared_error": "mean squared error on test tasks, for regression; less is better",
    "half_width": "half of the 95% interval of either (Student's t over tasks), in percentage points or as the error",
    "seeds": "training seeds pooled",
    "seed_deviation": "standard deviation of either between training seeds, in the same unit; empty for one seed",
    "episodes": "distinct test tasks",
    "transductive": "whether an answer may depend on the task's other queries",
    "outside_data": "whether weights were trained on other data",
    "parameters": "parameters that scoring a task needs",
    "task_milliseconds": "median time for one task, mean over seeds",
    "training_seconds": "mean over seeds",
    "images": "images (in regression points) seen in training, mean over seeds",
    "device": "where it ran, as given by the machine",
    "test_fingerprint": "first 8 digits of the test images' fingerprint: rows compare only where it is the same",
}

Scored = tuple[RunRecord, NDArray[np.float64]]
OfTasks = Mapping[int, NDArray[np.float64]]


@dataclass(frozen=True)
class Run:
    """A record, its measure on each test task, and its folder, where it was read from one."""

    record: RunRecord
    of_tasks: NDArray[np.float64]
    folder: Path | None = None


@dataclass(frozen=True)
class Entry:
    """A row: a learner with its settings on one dataset and task.

    Attributes:
        runs: what is pooled in it, the newest last.
        of_tasks: by test seed, the measure on each task, mean over training seeds.
        values: its columns (see `COLUMNS`).
        mean, half_width: of the measure, as in records.
        rank: 1 is best, among the entries of the same board.
    """

    runs: tuple[Run, ...]
    of_tasks: OfTasks
    values: dict[str, Any]
    mean: float
    half_width: float
    rank: int = 0

    @property
    def record(self) -> RunRecord:
        return self.runs[-1].record

    @property
    def measure(self) -> Measure:
        return self.record.score.measure

    @property
    def board(self) -> tuple[Any, ...]:
        """What it can be compared on: entries with the same one were scored on the same tasks of the same images."""
        names = ("dataset", "split", "ways", "shots", "queries", "task")
        return (*(self.values[name] for name in names), self.record.dataset.fingerprints.test, self.measure.field)


def read_records(folder: Path) -> tuple[list[Scored], list[str]]:
    """All records below the folder, by path, and a line on each that cannot be used.

    Raises:
        UsageError: the folder is missing, or holds no record at all.
    """
    runs, bad = read_runs(folder)
    return [(run.record, run.of_tasks) for run in runs], bad


def read_runs(folder: Path) -> tuple[list[Run], list[str]]:
    """As `read_records`, with the folder of each."""
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{folder}'; `metabench run` makes records, --results names their folder")
    paths = sorted(folder.rglob(RECORD_FILE))
    if not paths:
        raise UsageError(f"there is no record ({RECORD_FILE}) below '{folder}'; `metabench run` makes one")
    good, bad = [], []
    for path in paths:
        try:
            good.append(Run(*read_record(path), path.parent))
        except UsageError as error:
            bad.append(str(error))
    return good, bad


def leaderboard(records: Iterable[Scored]) -> pd.DataFrame:
    """The entries of these records as a table."""
    return frame(entries(Run(*scored) for scored in records))


def frame(rows: Iterable[Entry]) -> pd.DataFrame:
    """Entries as a table of `COLUMNS`."""
    return pd.DataFrame([entry.values for entry in rows], columns=list(COLUMNS))


def entries(runs: Iterable[Run]) -> list[Entry]:
    """One for each learner, its settings, dataset and task, board by board, the best first.

    Seeds are pooled task by task: their accuracies on the same task are averaged first, and the interval is over
    tasks, so that more seeds on the same tasks do not pass for more tasks. A run that was repeated with the same
    seed counts once, the newest.
    """
    groups: dict[tuple[object, ...], dict[tuple[int, int], Run]] = {}
    for run in sorted(runs, key=lambda run: (run.record.created, run.record.id)):
        config = run.record.config
        groups.setdefault(_row_key(run.record), {})[(config.seed, config.test_seed)] = run
    ranked: list[Entry] = []
    rows = sorted((_entry(list(group.values())) for group in groups.values()), key=_order)
    for _, board in itertools.groupby(rows, key=lambda entry: entry.board):
        on_board = list(board)
        for entry, rank in zip(on_board, ranks([entry.of_tasks for entry in on_board]), strict=True):
            ranked.append(replace(entry, rank=rank, values={**entry.values, "rank": rank}))
    return ranked


def ranks(best_first: Sequence[OfTasks], level: float = 0.05) -> list[int]:
    """The rank of each learner on a board; 1 is best.

    Each is compared with the one before it by a paired t test on the tasks that both have, and the p values are
    corrected for their number (Holm 1979). One whose difference is not significant shares the rank of the one before
    it; else its rank is its place. So two learners of the same rank may differ where others stand between them.

    Args:
        best_first: by test seed, each learner's measure on each task.
        level: of significance.
    """
    p_values = np.array([_paired_p(first, second) for first, second in itertools.pairwise(best_first)])
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    found = [1] if len(best_first) else []
    for place, p_value in enumerate(adjusted, 2):
        found.append(place if p_value < level else found[-1])
    return found


def _paired_p(first: OfTasks, second: OfTasks) -> float:
    """As `scipy.stats.ttest_rel` on the common tasks, which checks its arguments for much longer than it computes."""
    pairs = [(first[seed], second[seed]) for seed in first if seed in second]
    common = [min(len(one), len(other)) for one, other in pairs]
    count = sum(common)
    if count < 2:
        return 1.0
    differences = np.concatenate([one[:n] - other[:n] for (one, other), n in zip(pairs, common, strict=True)])
    mean, error = differences.mean(), differences.std(ddof=1) / np.sqrt(count)
    if error == 0:
        return float(mean == 0)
    return float(2 * special.stdtr(count - 1, -abs(mean) / error))


@dataclass(frozen=True)
class Filter:
    """Which records are wanted; what is empty or None is not asked.

    Attributes:
        dataset: names as in the table.
        ways, shots: of the test tasks.
        transductive, outside_data: whether it must be so, or must not.
    """

    dataset: tuple[str, ...] = ()
    ways: tuple[int, ...] = ()
    shots: tuple[int, ...] = ()
    transductive: bool | None = None
    outside_data: bool | None = None

    def keep(self, runs: Sequence[Run]) -> list[Run]:
        """The runs that are wanted.

        Raises:
            UsageError: there is none.
        """
        asked = {name: value for name, value in vars(self).items() if value not in ((), None)}
        kept = [run for run in runs if all(_fits(_facts(run.record)[name], value) for name, value in asked.items())]
        if runs and not kept:
            words = "; ".join(f"{name.replace('_', ' ')} {_listed(value)}" for name, value in asked.items())
            there = {name: sorted({_facts(run.record)[name] for run in runs}) for name in asked}
            found = "; ".join(f"{name.replace('_', ' ')} {_listed(values)}" for name, values in there.items())
            raise UsageError(f"no record has {words}; the {len(runs)} records have {plain(found)}")
        return kept


def _facts(record: RunRecord) -> dict[str, Any]:
    config = record.config
    facts = {"dataset": record.dataset.name, "ways": config.ways, "shots": config.shots}
    return {**facts, "transductive": record.transductive, "outside_data": record.outside_data}


def _fits(fact: object, wanted: object) -> bool:
    return fact in wanted if isinstance(wanted, tuple) else fact == wanted


def _listed(values: object) -> str:
    several = values if isinstance(values, tuple | list) else [values]
    return ", ".join({True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value) for value in several)


def printable(table: pd.DataFrame) -> str:
    """The leaderboard for a terminal: the columns that people compare."""
    names = ["dataset", "split", "ways", "shots", "queries", "task", "rank", "learner", "settings"]
    names += ["seeds", "episodes", "transductive"]
    shown = table[names].map(lambda cell: plain(cell) if isinstance(cell, str) else cell)
    for place, (title, measure) in enumerate(
        [("accuracy %", ACCURACY), ("squared error", SQUARED_ERROR)], names.index("learner") + 1
    ):
        means, digits = table[measure.field].astype(float), measure.digits
        if means.notna().any():
            interval = means.map(f"{{:.{digits}f}} ± ".format) + table["half_width"].map(f"{{:.{digits}f}}".format)
            shown.insert(place, title, interval.where(means.notna(), ""))
    shown["training s"] = table["training_seconds"].map("{:.0f}".format)
    shown["ms/task"] = table["task_milliseconds"].map("{:.1f}".format)
    return shown.to_string(index=False)


def task(record: RunRecord) -> str:
    """What makes the test tasks other than plain N-way K-shot."""
    frozen = f"tasks={record.dataset.tasks[:8]}" if record.dataset.tasks else ""
    return "; ".join(part for part in (record.config.variant, frozen) if part)


def settings(record: RunRecord) -> str:
    """What was changed from the defaults, as `name=value` in the order of the names."""
    changed = dict(record.changed_options)
    if record.config.precision != "float32":
        changed["precision"] = record.config.precision
    if record.config.validation_episodes != RunConfig.model_fields["validation_episodes"].default:
        changed["validation_episodes"] = record.config.validation_episodes
    return " ".join(f"{name}={json.dumps(value).strip(chr(34))}" for name, value in sorted(changed.items()))


def _row_key(record: RunRecord) -> tuple[object, ...]:
    config = record.config
    return (
        *(record.dataset.name, record.dataset.split, record.dataset.fingerprints, record.dataset.image_shape),
        *(config.ways, config.shots, config.queries, task(record), config.learner, settings(record)),
    )


def _order(entry: Entry) -> tuple[Any, ...]:
    best_first = -entry.mean if entry.measure.more_is_better else entry.mean
    return (*entry.board, best_first, entry.values["learner"], entry.values["settings"])


def _entry(runs: list[Run]) -> Entry:
    record = runs[-1].record
    records = [run.record for run in runs]
    by_tasks: dict[int, list[NDArray[np.float64]]] = {}
    for run in runs:
        by_tasks.setdefault(run.record.config.test_seed, []).append(run.of_tasks)
    of_tasks = {test_seed: _mean_by_task(measures) for test_seed, measures in by_tasks.items()}
    estimate = mean_interval(np.concatenate(list(of_tasks.values())))
    by_seed = {each.config.seed: each.score.mean for each in records}
    measure = record.score.measure
    scale, digits = measure.scale, measure.digits
    deviation = np.std(list(by_seed.values()), ddof=1) if len(by_seed) > 1 else float("nan")
    values = {
        "schema_version": SCHEMA_VERSION,
        "dataset": record.dataset.name,
        "split": record.dataset.split,
        "ways": record.config.ways,
        "shots": record.config.shots,
        "queries": record.config.queries,
        "task": task(record),
        "learner": record.config.learner,
        "settings": settings(record),
        measure.field: round(scale * estimate.mean, digits),
        "half_width": round(scale * estimate.half_width, digits),
        "seeds": len(by_seed),
        "seed_deviation": round(scale * deviation, digits),
        "episodes": estimate.count,
        "transductive": record.transductive,
        "outside_data": record.outside_data,
        "parameters": record.score.parameters,
        "task_milliseconds": round(fmean(each.score.task_milliseconds for each in records), 2),
        "training_seconds": round(fmean(each.training.seconds for each in records), 1),
        "images": round(fmean(each.training.images for each in records)),
        "device": " + ".join(sorted({str(each.environment.get("device", "?")) for each in records})),
        "test_fingerprint": record.dataset.fingerprints.test[:8],
    }
    return Entry(tuple(runs), of_tasks, values, estimate.mean, estimate.half_width)


def _mean_by_task(runs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over runs of each task's accuracy; a run of fewer tasks counts for those it has."""
    if len(runs) == 1:
        return runs[0]
    longest = max(len(run) for run in runs)
    padded = np.full((len(runs), longest), np.nan)
    for row, run in zip(padded, runs, strict=True):
        row[: len(run)] = run
    return np.asarray(np.nanmean(padded, axis=0))
