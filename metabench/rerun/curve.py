"""`metabench curve`: a trained learner with other shots, ways and gradient steps than it was tested with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from episodes.dataset import Dataset
from episodes.errors import DataError
from episodes.files.atomic import write_bytes
from episodes.sampling.source import EpisodeSource
from metabench.config import NUMBERS, RunConfig, describe_task, make_config
from metabench.errors import RunError, UsageError
from metabench.evaluation.loop import predict_episodes
from metabench.evaluation.score import estimate, estimate_floors
from metabench.experiment.data import scored_tasks
from metabench.learner import Learner
from metabench.metrics.metric import METRICS, Metric, with_interval
from metabench.pictures.charts import STEPS, draw_curve, panels
from metabench.pictures.figure import check_picture
from metabench.records.keys import settings
from metabench.records.reader import read_record, record_file
from metabench.registry import faults_of
from metabench.rerun.load import load_trained
from metabench.stats.intervals import Estimate

CURVE_FILE, CURVE_PICTURE = "curve.csv", "curve.png"
SHOTS = (1, 2, 5, 10, 20)


def curves(folders: Sequence[Path], picture: Path | None = None, **asked: Any) -> list[pd.DataFrame]:
    """As `curve`, of several runs, and all of them in one picture.

    Args:
        folders: of the runs.
        picture: a file to draw them to; its ending chooses the format.
        asked: the other arguments of `curve`.

    Raises:
        UsageError, episodes.DataError: as `curve`; or the runs for a picture have different test data.
    """
    records = [read_record(record_file(folder))[0] for folder in folders]
    data = {record.dataset.fingerprints.test: record.dataset.name for record in records}
    if picture:
        check_picture(picture)
    if picture and len(data) > 1:
        raise UsageError(
            "one picture is of the same test data, and these runs have others each, of "
            f"{', '.join(data.values())}; leave -o out"
        )
    tables = [curve(folder, **asked) for folder in folders]
    if picture:
        labels = [f"{record.config.learner} {settings(record)}".strip() for record in records]
        if len(set(labels)) < len(labels):
            labels = [folder.name for folder in folders]
        named = [table[~table["floor"]].assign(learner=label) for table, label in zip(tables, labels, strict=True)]
        together = pd.concat([*named, tables[0][tables[0]["floor"]]], ignore_index=True)
        draw_curve(together, records[0].scored_by, picture, records[0].dataset.name)
    return tables


def curve(
    folder: str | Path,
    shots: Sequence[int] = (),
    ways: Sequence[int] = (),
    gradient_steps: Sequence[int] = (),
    device: str = "auto",
    **others: Any,
) -> pd.DataFrame:
    """Score a run's learner, as it was trained, against shots, ways or gradient steps, and its floors on those tasks.

    Writes the table to `curve.csv` and draws it to `curve.png`, both in the run's folder.

    Args:
        folder: of a finished run, with its weights.
        shots: with the run's ways; if nothing is given, those of `SHOTS` that the data suffice for.
        ways: with the run's shots.
        gradient_steps: on a test task's support, at each of these shots, or at the run's.
        device: `auto`, `cpu` or `cuda`.
        others: `episodes` (test tasks of each, by default as many as the run had) and `data_root`.

    Returns:
        One row per learner or floor and kind of task: `against` (`shots`, `ways` or `gradient_steps`: which of them
        changes), `ways`, `shots`, `queries`, where they were given `gradient_steps`, `learner` (its name, or the
        floor's), `floor`, its metric (`accuracy` in percent, or `squared_error`), `half_width` of its 95% interval
        (as of a record), `episodes`.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met, or other data than the run's.
        RunError: the learner fails.
    """
    folder = Path(folder)
    run = load_trained(folder, device, same_tasks=False, **others)
    config, dataset, learner = run.config, run.dataset, run.learner
    if config.task.task == "variable":
        raise UsageError(f"the tasks of '{folder}' have shots and ways of all kinds; run with --task fixed for a curve")
    if learner.fixed_ways and not learner.problem.regression and set(ways) - {config.task.ways}:
        raise UsageError(
            f"learner '{config.learner}' classifies tasks of {config.task.ways} ways and no others; leave --ways out"
        )
    faults = partial(faults_of, type(learner), config.learner, RunError)
    with faults():
        after = {steps: learner.after_steps(steps) for steps in gradient_steps}
    if None in after.values():
        raise UsageError(
            f"learner '{config.learner}' as it was run takes no gradient steps on a task; leave --gradient-steps out"
        )
    if (config.test.disjoint or config.test.episodes == 1) and "episodes" not in others:
        config = config.changed(episodes=None)  # of other shots there are not as many, or more than the one
    asked = [("shots", number) for number in (tuple(shots) or (config.task.shots,) * bool(after))]
    asked += [("ways", number) for number in ways]
    plan = [_changed(config, dataset, *point) for point in asked] or _possible(config, dataset)
    rows = []
    for kind, changed in plan:
        of_steps: dict[int | None, Learner] = {
            steps: other for steps, other in after.items() if other and kind == "shots"
        }
        scored = scored_tasks(changed, dataset, None, run.device)
        with faults():
            rows += _rows(STEPS if of_steps else kind, *scored, of_steps or {None: learner}, run.floors)
    table = pd.DataFrame(rows).astype({STEPS: "Int64"}).dropna(axis="columns", how="all")
    write_bytes(folder / CURVE_FILE, table.to_csv(index=False).encode())
    task = describe_task(config, learner.problem.regression)
    title = f"{config.learner} on {run.record.dataset.name}, trained for {task}"
    draw_curve(table, learner.problem.metric, folder / CURVE_PICTURE, title)
    return table


def printable(table: pd.DataFrame) -> str:
    """The curves for a terminal: a row per point, a column per learner or floor, each with its interval."""
    metric = next(each for name, each in METRICS.items() if name in table)
    ends = (table[name] / metric.scale for name in (metric.name, "low", "high"))
    texts = [with_interval(metric, mean, mean - low, high - mean) for mean, low, high in zip(*ends, strict=True)]
    shown = table.assign(value=texts)
    parts = []
    for against, part in panels(shown):
        wide = part.pivot(index=against, columns="learner", values="value")[list(part["learner"].unique())]
        text = wide.rename_axis(columns=None).reset_index().to_string(index=False)
        parts.append(f"{part['shots'].iloc[0]} shots\n{text}" if against == STEPS else text)
    return f"{metric.label}{', %' if metric.percent else ''}\n" + "\n\n".join(parts)


def _changed(config: RunConfig, dataset: Dataset[Any], kind: str, number: int) -> tuple[str, RunConfig]:
    """The configuration with other shots or ways; an error, before any is scored, if there are no such tasks."""
    changed = make_config(**{**config.settings, kind: number}).on(dataset.kind)
    scored_tasks(changed, dataset, None, "cpu")
    return kind, changed


def _possible(config: RunConfig, dataset: Dataset[Any]) -> list[tuple[str, RunConfig]]:
    """Each of `SHOTS`, up to those for which a class has too few images."""
    possible: list[tuple[str, RunConfig]] = []
    for number in SHOTS:
        try:
            possible.append(_changed(config, dataset, "shots", number))
        except DataError:
            if not possible:
                raise
            break
    return possible


def _rows(
    kind: str,
    config: RunConfig,
    source: EpisodeSource,
    learners: Mapping[int | None, Learner],
    floors: Mapping[str, Learner],
) -> list[dict[str, Any]]:
    """Of the learners by their gradient steps; None for those of the run."""
    assert config.test.episodes is not None
    rows: list[dict[str, Any]] = []
    of_floors: dict[str, Estimate] = {}
    for steps, learner in learners.items():
        made = predict_episodes(
            learner, source, config.test.episodes, f"{config.task.ways}-way {config.task.shots}-shot"
        )
        metric = learner.problem.metric
        of_floors = of_floors or estimate_floors(floors, source, made, config, metric)
        found = {config.learner: estimate(made.scores, made.queries, config, metric), **of_floors}
        rows += _rows_of(kind, config, steps, found, metric)
    return rows


def _rows_of(
    kind: str, config: RunConfig, steps: int | None, found: Mapping[str, Estimate], metric: Metric
) -> list[dict[str, Any]]:
    return [
        {
            "against": kind,
            **{name: config[name] for name in NUMBERS},
            STEPS: steps,
            "learner": name,
            "floor": place > 0,
            metric.name: round(metric.scale * value.mean, metric.digits),
            "half_width": round(metric.scale * value.half_width, metric.digits),
            "low": round(metric.scale * value.low, metric.digits),
            "high": round(metric.scale * value.high, metric.digits),
            "episodes": config.test.episodes,
        }
        for place, (name, value) in enumerate(found.items())
    ]
