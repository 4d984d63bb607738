"""Teachers, their students, and the students' networks trained alone, on the same tasks: what their records say."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metabench.config import describe_task
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.metrics.metric import ACCURACY, Metric, with_interval
from metabench.records.keys import learner_name, same_tasks
from metabench.records.reader import read_companions, read_record, record_file
from metabench.records.record import RunRecord, Score
from metabench.reports.compare import WIDTH, verdict
from metabench.stats.comparison import Comparison, compare
from metabench.stats.intervals import Estimate, mean_interval, seed_interval

TEACHER, STUDENT, ALONE = "teacher", "student", "network alone"
SIZES = "Sizes are of safetensors files; int8 has a float32 scale per row of a matrix."


@dataclass(frozen=True)
class Measured:
    """What a trained network says beyond its record.

    Attributes:
        sizes: bytes on disk by type (see `metabench.evaluation.size`); none where no network has a backbone's name.
        agreement: on each task the fraction of queries that it predicts as the teacher does, `[tasks]`; None of the
            teacher itself.
    """

    sizes: Mapping[str, int]
    agreement: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class Network:
    """One of the networks, over training seeds.

    Attributes:
        backbone: its name.
        scores: its metric on each task, `[seeds, tasks]`.
        records: what is recorded of each seed's.
        measured: of each seed's; None where its weights or data are not at hand.
    """

    backbone: str
    scores: NDArray[np.float64]
    records: Sequence[Score]
    measured: Sequence[Measured | None]

    def sizes(self) -> dict[str, int]:
        """Bytes on disk by type, which are the same for each seed; empty where they are not known."""
        return next((dict(each.sizes) for each in self.measured if each), {})

    def agreement(self) -> Estimate | None:
        """With the teacher; None where it is not known of every seed, over which it is an interval."""
        found = [each.agreement for each in self.measured if each and each.agreement is not None]
        if len(found) < len(self.measured):
            return None
        fewest = min(map(len, found))
        return over(np.stack([each[:fewest] for each in found]), bounded=True)


@dataclass(frozen=True, eq=False)
class Distillation:
    """A student and the others of its runs, which differ in the training seed alone.

    Attributes:
        learner: with its settings.
        dataset, task: what it was tested on.
        metric: what it was scored by.
        networks: by name: teacher, student, network alone, and any others.
        device: that times were taken on, with the number of threads.
        problem: why sizes and agreement are not known, of the first run of which they are not.
    """

    learner: str
    dataset: str
    task: str
    metric: Metric
    networks: dict[str, Network]
    device: str
    problem: str = field(default="")

    @property
    def tasks(self) -> int:
        return int(self.networks[STUDENT].scores.shape[1])

    @property
    def seeds(self) -> int:
        return len(self.networks[STUDENT].scores)

    def less(self, other: str) -> Comparison:
        """The student's scores less another's, task by task."""
        return compare(self.networks[STUDENT].scores, self.networks[other].scores)


Measure = Callable[[Path], dict[str, Measured]]


def over(scores: NDArray[np.float64], *, bounded: bool) -> Estimate:
    """The mean of scores `[seeds, tasks]`, over seeds and tasks; of one seed over tasks alone."""
    if len(scores) == 1:
        return mean_interval(scores[0], bounded=bounded)
    return seed_interval(scores, bounded=bounded).estimate


def distillations(paths: Sequence[Path], measure: Measure) -> list[Distillation]:
    """Of the runs at the paths; those that differ in the training seed alone are one.

    Args:
        paths: run folders, or their record files.
        measure: what the trained networks of a run's folder say, by name; it raises UsageError or episodes.DataError
            where weights or data are not at hand.

    Raises:
        UsageError: a record cannot be read, has no teacher, or is there twice.
    """
    groups: dict[tuple[object, ...], dict[int, tuple[Path, RunRecord, dict[str, NDArray[np.float64]]]]] = {}
    for path in paths:
        file = record_file(path)
        record, scores = read_record(file)
        if TEACHER not in record.companions:
            raise UsageError(
                f"'{path}' has no teacher: its learner is {plain(record.config.learner)}; give runs of a learner that "
                "has one (`metabench list learners`, family distillation)"
            )
        group = groups.setdefault((learner_name(record), *same_tasks(record).values()), {})
        seed = record.config.training.seed
        if seed in group:
            raise UsageError(f"'{group[seed][0]}' and '{path}' are the same run; leave one of them out")
        group[seed] = (file.parent, record, {STUDENT: scores, **read_companions(file, record)})
    return [_distillation([group[seed] for seed in sorted(group)], measure) for group in groups.values()]


def _distillation(
    runs: Sequence[tuple[Path, RunRecord, dict[str, NDArray[np.float64]]]], measure: Measure
) -> Distillation:
    measured, problem = _measured([folder for folder, _, _ in runs], measure)
    tasks = min(len(scores[STUDENT]) for _, _, scores in runs)
    record = runs[0][1]
    names = [name for name in record.companions if all(name in each.companions for _, each, _ in runs)]
    order = sorted([STUDENT, *names], key=lambda name: ([TEACHER, STUDENT, ALONE, name].index(name), name))
    networks = {
        name: Network(
            _backbone(record, name),
            np.stack([scores[name][:tasks] for _, _, scores in runs]),
            [each.score if name == STUDENT else each.companions[name] for _, each, _ in runs],
            [each.get(name) for each in measured],
        )
        for name in order
    }
    config = record.config
    return Distillation(
        learner_name(record),
        plain(config.data.test_dataset or record.dataset.name),
        plain(describe_task(config.changed(train_task=()), record.regression)),
        record.scored_by,
        networks,
        _device(record),
        problem,
    )


def _measured(folders: Sequence[Path], measure: Measure) -> tuple[list[dict[str, Measured]], str]:
    found, problem = [], ""
    for folder in folders:
        try:
            found.append(measure(folder))
        except ValueError as error:  # UsageErrors and DataErrors are ValueErrors
            found.append({})
            problem = problem or f"of '{folder}': {error}"
    return found, problem


def _device(record: RunRecord) -> str:
    environment, on_cpu = record.environment, record.config.machine.device == "cpu"
    name = (on_cpu and environment.get("processor")) or environment.get("device", "?")
    threads = environment.get("threads", "?")
    return plain(f"{name}, {threads} thread{'' if threads == 1 else 's'}")


def _backbone(record: RunRecord, name: str) -> str:
    options = record.config.options
    own = options.get("backbone", "")
    return plain(str(options.get("teacher_backbone", own) if name == TEACHER else own))


def table(found: Sequence[Distillation]) -> pd.DataFrame:
    """A row per network (see `metabench.rerun.distillation.distillation_report`)."""
    rows = []
    for each in found:
        for name, network in each.networks.items():
            scale, mean = each.metric.scale, over(network.scores, bounded=each.metric.percent)
            row: dict[str, object] = {
                "learner": each.learner,
                "dataset": each.dataset,
                "task": each.task,
                "network": name,
                "backbone": network.backbone,
                "metric": each.metric.name,
                **_ends("", mean, scale),
                "seeds": each.seeds,
                "tasks": each.tasks,
                "parameters": network.records[0].parameters,
                "task_multiply_adds": network.records[0].task_multiply_adds,
                "task_milliseconds": float(np.mean([record.task_milliseconds for record in network.records])),
                **{f"bytes_{kind}": size for kind, size in network.sizes().items()},
            }
            if agreement := network.agreement():
                row |= _ends("agreement_", agreement, 100)
            if name != STUDENT:
                compared = each.less(name)
                row |= _ends("lead_", compared.difference, scale)
                row["lead_p_value"] = compared.p_value
            rows.append(row)
    return pd.DataFrame(rows)


def _ends(prefix: str, estimate: Estimate, scale: float) -> dict[str, float]:
    return {f"{prefix}{name}": scale * getattr(estimate, name) for name in ("mean", "low", "high")}


def describe(found: Sequence[Distillation]) -> str:
    """For a terminal: a column for each network, and how the student differs from the others."""
    return "\n\n".join(map(_described, found))


def _described(each: Distillation) -> str:
    seeds = f", {each.seeds} training seeds" if each.seeds > 1 else ""
    covered = "training seeds and test tasks" if each.seeds > 1 else "test tasks"
    sizes = any(network.sizes() for network in each.networks.values())
    unknown = f" {'Agreement is' if sizes else 'Sizes and agreement are'} not here, {each.problem}"
    notes = [
        f"± is a 95% interval over {covered}. Cost is of adapting to a task and predicting its queries, on "
        f"{each.device}.{f' {SIZES}' if sizes else ''}{unknown if each.problem else ''}",
        *(_difference(each, name) for name in (TEACHER, ALONE) if name in each.networks),
    ]
    if ALONE not in each.networks:
        notes.append("There is no network alone to compare with: alone_steps was 0.")
    title = f"{each.learner} on {each.dataset}, {each.task}, on the same {each.tasks:,} test tasks{seeds}:"
    wrapped = [textwrap.fill(line, WIDTH, break_long_words=False) for line in (title, *notes)]
    return "\n".join([wrapped[0], *_columns(each), *wrapped[1:]])


def _difference(each: Distillation, name: str) -> str:
    compared = each.less(name)
    first, *_ = verdict(compared, STUDENT, name, each.metric)
    return first if compared.learners else f"Student and {name}: t{first[1:]}"


def _columns(each: Distillation) -> list[str]:
    """A column per network, its name at the head; `-` for what is not known of one."""
    columns = {name: _cells(network, each.metric) for name, network in each.networks.items()}
    made = pd.DataFrame(columns).fillna("-")
    wide = max(map(len, made.index))
    return made.rename(index=lambda row: row.ljust(wide)).to_string().splitlines()


def _cells(network: Network, metric: Metric) -> dict[str, str]:
    """What is known of a network."""
    record, agreement = network.records[0], network.agreement()
    cells = {
        "backbone": network.backbone,
        f"{metric.label}{', %' if metric.percent else ''}": _interval(
            metric, over(network.scores, bounded=metric.percent)
        ),
        "parameters": f"{record.parameters:,}",
    }
    if record.task_multiply_adds is not None:
        cells["million multiply-adds"] = f"{record.task_multiply_adds / 1e6:,.1f}"
    cells["milliseconds"] = f"{np.mean([each.task_milliseconds for each in network.records]):.1f}"
    cells |= {f"kB on disk, {kind}": f"{size / 1000:,.1f}" for kind, size in network.sizes().items()}
    if agreement:
        cells["agreement with teacher, %"] = _interval(ACCURACY, agreement)
    return cells


def _interval(metric: Metric, found: Estimate) -> str:
    return with_interval(metric, found.mean, found.mean - found.low, found.high - found.mean)
