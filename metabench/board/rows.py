"""Records to one table: a row for each learner, dataset and task, and its rank."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metabench.board.classes import OfClasses, of_classes
from metabench.board.columns import COLUMNS, SCHEMA_VERSION, Columns
from metabench.board.filter import make_filter
from metabench.config import NUMBERS
from metabench.metrics.metric import METRICS, Metric
from metabench.records.keys import Board, Row, row_of
from metabench.records.record import RunRecord
from metabench.records.reference import reference_runs
from metabench.records.runs import Run, read_runs
from metabench.stats.diagnostics import worst_tasks
from metabench.stats.intervals import QUERIES, Estimate, mean_interval, seed_interval
from metabench.stats.ranking import Entrant, Place, places

FEWEST_SHARED = 10  # tasks, for a comparison that says anything

OfTasks = Mapping[int, NDArray[np.float64]]


@dataclass(frozen=True)
class Entry:
    """A row: a learner with its settings on one dataset and task.

    Attributes:
        runs: what is pooled in it, the newest last.
        of_tasks: by test seed, the metric on each task, mean over training seeds.
        values: its columns (see `COLUMNS`).
        mean: of the metric, as in records.
        row: what its runs have in common.
        rank: among the entries of the same board, see `metabench.stats.ranking.places`; None for those that are not
            `ranked`, for those that share fewer than `FEWEST_SHARED` tasks with most others, and for those with one
            training seed where no other has several.
    """

    runs: tuple[Run, ...]
    of_tasks: OfTasks
    values: Columns
    mean: float
    row: Row
    rank: Place | None = None

    @property
    def board(self) -> Board:
        return self.row.board

    @property
    def record(self) -> RunRecord:
        return self.runs[-1].record

    @property
    def metric(self) -> Metric:
        return self.record.scored_by

    @property
    def unverified(self) -> bool:
        """Whether it was added from elsewhere and not scored again."""
        return self.runs[-1].origin == "unverified"

    @property
    def ranked(self) -> bool:
        """Whether it may have a rank: it is verified, and none of its runs broke the contract of learners."""
        return not self.unverified and not any(run.record.contract for run in self.runs)


def leaderboard(results: str | Path = "results", *, reference: bool = False, **filters: Any) -> pd.DataFrame:
    """All records in one table: `metabench leaderboard` as a call.

    A record that cannot be used is warned of and skipped.

    Args:
        results: the folder of the records.
        reference: whether the reference records are in it too.
        filters: which records are wanted, as `metabench.board.filter.Filter` has them: `dataset`, `ways` and `shots`
            (one or several), `transductive` and `outside_data`.

    Returns:
        A row for each learner with its settings on a dataset and task, with the columns of `COLUMNS`.

    Raises:
        UsageError: the folder or records that are wanted are not there.
    """
    rows, problems = read_entries(Path(results), reference=reference, **filters)
    for problem in problems:
        warnings.warn(f"{problem}; it is skipped", UserWarning, stacklevel=2)
    return frame(rows)


def read_entries(results: Path, *, reference: bool, **filters: Any) -> tuple[list[Entry], list[str]]:
    """The entries of the records that are wanted, and a line on each record that cannot be used.

    Arguments and errors are those of `leaderboard`.
    """
    runs, problems = read_runs(results) if results.is_dir() or not reference else ([], [])
    if reference:
        runs += reference_runs()
    return entries(make_filter(**filters).keep(runs)), problems


def frame(rows: Iterable[Entry]) -> pd.DataFrame:
    """Entries as a table of `COLUMNS`."""
    table = pd.DataFrame([vars(entry.values) for entry in rows], columns=list(COLUMNS))
    return table.astype(dict.fromkeys((*NUMBERS, "rank_low", "rank_high"), "Int64"))


def entries(runs: Iterable[Run]) -> list[Entry]:
    """One for each learner, its settings, dataset and task, board by board, the best first.

    Seeds are pooled task by task: their accuracies on the same task are averaged first, and the interval is over
    tasks, so that more seeds on the same tasks do not pass for more tasks. A run that was repeated with the same
    seed counts once, the newest. Unverified runs have rows of their own, and no part in ranks.
    """
    groups: dict[tuple[Row, bool], dict[tuple[int, int], Run]] = {}
    for run in sorted(runs, key=lambda run: (datetime.fromisoformat(run.record.created), run.record.id)):
        config = run.record.config
        key = row_of(run.record), run.origin == "unverified"
        groups.setdefault(key, {})[(config.training.seed, config.test.test_seed)] = run
    ranked: list[Entry] = []
    rows = sorted((_entry(row, list(group.values())) for (row, _), group in groups.items()), key=_order)
    for _, board in itertools.groupby(rows, key=lambda entry: entry.board):
        on_board = list(board)
        ranks = iter(_ranks([entry for entry in on_board if entry.ranked]))
        for entry in on_board:
            rank = next(ranks) if entry.ranked else None
            ranked.append(replace(entry, rank=rank, values=replace(entry.values, **_rank_values(entry, rank))))
    return ranked


def _rank_values(entry: Entry, rank: Place | None) -> dict[str, Any]:
    if not entry.record.seeded:
        variance = "none"
    elif entry.values.seeds > 1:
        variance = "own"
    else:
        variance = "borrowed" if rank else "unknown"
    return {
        "rank_low": rank.low if rank else None,
        "rank_high": rank.high if rank else None,
        "seed_variance": variance,
    }


def _comparable(board: Sequence[Entry]) -> list[bool]:
    """Which entries share enough tasks with half as many others as the one that shares them with the most.

    One task alone is enough for none, not even where there is no other.
    """
    if len(board) == 1:
        return [board[0].values.episodes > 1]
    seeds = sorted({seed for entry in board for seed in entry.of_tasks})
    tasks = np.array([[len(entry.of_tasks.get(seed, ())) for seed in seeds] for entry in board])
    kinds, which, counts = np.unique(tasks, axis=0, return_inverse=True, return_counts=True)
    partners = np.array([(np.minimum(kind, kinds).sum(1) >= FEWEST_SHARED) @ counts for kind in kinds])
    partners -= kinds.sum(1) >= FEWEST_SHARED  # itself
    enough = 2 * partners >= max(1, partners.max())
    return [bool(entry) for entry in enough[which.ravel()]]


def _ranks(entries: Sequence[Entry]) -> list[Place | None]:
    """By `metabench.stats.ranking.places`, over the tasks of every test seed; what fewer than two have is of no use."""
    if not entries:
        return []
    comparable, shared = _comparable(entries), {}
    board = list(itertools.compress(entries, comparable))
    if not board:
        return [None] * len(entries)
    for seed in sorted({seed for entry in board for seed in entry.of_tasks}):
        shared[seed] = sorted(len(entry.of_tasks.get(seed, ())) for entry in board)[-2:][0]
    entrants = [Entrant(by_seed(entry.runs, shared), entry.record.seeded) for entry in board]
    ranks = iter(places(entrants, board[0].metric.more_is_better))
    return [next(ranks) if is_ranked else None for is_ranked in comparable]


def by_seed(runs: Sequence[Run], tasks: Mapping[int, int]) -> NDArray[np.float64]:
    """`[training seeds, tasks]`, so many tasks of each test seed; nan where a run has none."""
    rows = {seed: row for row, seed in enumerate(dict.fromkeys(run.record.config.training.seed for run in runs))}
    starts = dict(zip(tasks, np.cumsum([0, *tasks.values()]).tolist(), strict=False))
    table = np.full((len(rows), sum(tasks.values())), np.nan)
    for run in runs:
        config = run.record.config
        if config.test.test_seed in tasks:
            scores = run.of_tasks[: tasks[config.test.test_seed]]
            table[rows[config.training.seed], starts[config.test.test_seed] :][: len(scores)] = scores
    return table


def _order(entry: Entry) -> tuple[Any, ...]:
    best_first = -entry.mean if entry.metric.more_is_better else entry.mean
    board = (math.inf if part is None else part for part in entry.board)  # tasks that vary come last
    return (*board, best_first, entry.values.learner, entry.values.settings)


def _entry(row: Row, runs: list[Run]) -> Entry:
    record, board = runs[-1].record, row.board
    records = [run.record for run in runs]
    by_tasks: dict[int, list[NDArray[np.float64]]] = {}
    for run in runs:
        by_tasks.setdefault(run.record.config.test.test_seed, []).append(run.of_tasks)
    of_tasks = {test_seed: _mean_by_task(scores) for test_seed, scores in by_tasks.items()}
    metric = record.scored_by
    over_tasks, classes = _over_tasks(runs, of_tasks), [of_classes(run) for run in runs]
    estimate, over = _headline(runs, of_tasks, over_tasks)
    scale, digits = metric.scale, metric.digits
    values: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        **{name: getattr(board, name) for name in ("dataset", "split", *NUMBERS, "task")},
        "learner": row.learner,
        "settings": row.settings,
        "tries": max(len(each.selection.tries) if each.selection else 1 for each in records),
        "search_seconds": round(_mean(each.selection.seconds if each.selection else None for each in records), 1),
        "metric": metric.name,
        "mean": round(scale * over_tasks.mean, digits),
        **{name: round(scale * getattr(estimate, name), digits) for name in ("half_width", "low", "high")},
        "interval_over": over,
        **_of_tasks_alone(over_tasks, scale, digits),
        **_over_classes(classes, over_tasks.mean),
        "floor": round(scale * _mean(_floor(each) for each in records), digits),
        "worst_tasks": round(scale * _mean(worst_tasks(run.of_tasks, metric) for run in runs), digits),
        "worst_class": round(scale * _mean(each.score.worst_class for each in records), digits),
        "class_quantile": round(scale * _mean(each.quantile for each in classes), digits),
        "calibration_error": round(scale * _mean(each.score.calibration_error for each in records), digits),
        "origin": " + ".join(sorted({run.origin for run in runs})),
        "seeds": len({each.config.training.seed for each in records}),
        "seed_deviation": round(scale * _seed_deviation(runs), digits),
        "episodes": over_tasks.count,
        "transductive": record.transductive,
        "outside_data": record.outside_data,
        "test_classes": record.test_classes,
        "parameters": record.score.parameters,
        "task_milliseconds": round(fmean(each.score.task_milliseconds for each in records), 2),
        "task_megabytes": round(_mean(each.score.task_megabytes for each in records), 2),
        "task_multiply_adds": _mean(getattr(each.score, "task_multiply_adds", None) for each in records),
        "training_seconds": round(fmean(each.training.seconds for each in records), 1),
        "processor_seconds": round(_mean(getattr(each.training, "processor_seconds", None) for each in records), 1),
        "multiply_adds": _mean(getattr(each.training, "multiply_adds", None) for each in records),
        "images": round(fmean(each.training.images for each in records)),
        "device": " + ".join(sorted({str(each.environment.get("device", "?")) for each in records})),
        "test_fingerprint": board.test_fingerprint[:8],
    }
    values |= {"rank_low": None, "rank_high": None, "seed_variance": "unknown"}  # until it is on a board
    return Entry(tuple(runs), of_tasks, Columns(**values), over_tasks.mean, row)


def _over_tasks(runs: Sequence[Run], of_tasks: OfTasks) -> Estimate:
    """Of these networks; of a single run with an interval of a given width, that one; of one task over its queries.

    The queries are the same for all runs, so their mean has an interval no wider than the mean of theirs.
    """
    score = runs[-1].record.score
    if sum(map(len, of_tasks.values())) == 1:
        scores = [run.record.score for run in runs]
        low = fmean(each.mean - each.half_width if each.low is None else each.low for each in scores)
        high = fmean(each.mean + each.half_width if each.high is None else each.high for each in scores)
        return Estimate(float(np.concatenate(list(of_tasks.values()))[0]), low, high, 1, QUERIES)
    estimate = mean_interval(np.concatenate(list(of_tasks.values())), bounded=METRICS[score.metric].percent)
    if (
        len(runs) == 1
        and runs[0].record.config.test.until_interval
        and score.low is not None
        and score.high is not None
    ):
        return replace(estimate, low=score.low, high=score.high)
    return estimate


def _of_tasks_alone(found: Estimate, scale: float, digits: int) -> dict[str, float]:
    """The columns on the interval over tasks; nan where there is one task."""
    ends = {name: getattr(found, name) if found.count > 1 else math.nan for name in ("half_width", "low", "high")}
    return {f"tasks_{name}": round(scale * end, digits) for name, end in ends.items()}


def _headline(runs: Sequence[Run], of_tasks: OfTasks, over_tasks: Estimate) -> tuple[Estimate, str]:
    """Over seeds and tasks where there are several seeds of the same tasks, else over tasks; of one its queries."""
    record = runs[-1].record
    if over_tasks.count == 1:
        return over_tasks, "queries"
    table = by_seed(runs, {seed: len(scores) for seed, scores in of_tasks.items()})
    if not record.seeded or len(table) < 2 or not np.isfinite(table).all():
        return over_tasks, "tasks"
    return seed_interval(table, bounded=record.scored_by.percent).estimate, "seeds and tasks"


def _over_classes(classes: Sequence[OfClasses], mean: float) -> dict[str, float]:
    """The columns on the interval over test classes, in percent; nan where a run has none.

    Of several runs it is the root mean square of theirs, which is no less than it should be: the variance of a mean is
    at most the mean of the variances, and the classes are the same for all.
    """
    half = float(np.sqrt(np.mean([each.half_width**2 for each in classes])))
    low, high = np.clip([mean - half, mean + half], 0, 1)
    values = {"half_width": half, "low": low, "high": high}
    return {f"classes_{name}": round(100 * float(value), 2) for name, value in values.items()}


def _seed_deviation(runs: Iterable[Run]) -> float:
    """Between the means of training seeds, over the tasks that all of them have; nan for one seed, or no such tasks."""
    by_seed: dict[int, dict[int, NDArray[np.float64]]] = {}
    for run in runs:
        by_seed.setdefault(run.record.config.training.seed, {})[run.record.config.test.test_seed] = run.of_tasks
    shared = set.intersection(*(set(tasks) for tasks in by_seed.values()))
    if len(by_seed) < 2 or not shared:
        return float("nan")
    most = {test_seed: min(len(tasks[test_seed]) for tasks in by_seed.values()) for test_seed in shared}
    means = [np.concatenate([tasks[one][:count] for one, count in most.items()]).mean() for tasks in by_seed.values()]
    return float(np.std(means, ddof=1))


def _floor(record: RunRecord) -> float | None:
    best = max if record.scored_by.more_is_better else min
    return best((floor.mean for floor in record.floors.values()), default=None)


def _mean(values: Iterable[float | None]) -> float:
    """Of those that there are, which records of version 1 lack; nan for none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _mean_by_task(runs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean over runs of each task's accuracy; a run of fewer tasks counts for those it has."""
    if len(runs) == 1:
        return runs[0]
    longest = max(len(run) for run in runs)
    padded = np.full((len(runs), longest), np.nan)
    for row, run in zip(padded, runs, strict=True):
        row[: len(run)] = run
    return np.asarray(np.nanmean(padded, axis=0))
