"""`metabench curve`: a trained learner on tasks of other shots and ways than it was tested on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from episodes.cache import write_atomically
from episodes.datasets.sinusoid import AnyDataset
from episodes.errors import DataError
from episodes.sampler import EpisodeSource
from metabench.charts import draw_curve
from metabench.config import RunConfig, describe_task, make_config
from metabench.environment import choose_device
from metabench.errors import UsageError
from metabench.evaluator import answer_episodes
from metabench.learner import Learner
from metabench.measure import ACCURACY, SQUARED_ERROR
from metabench.scoring import estimate, estimate_floors
from metabench.tasks import scored_tasks
from metabench.trained import load_trained

CURVE_FILE, CURVE_PICTURE = "curve.csv", "curve.png"
SHOTS = (1, 2, 5, 10, 20)


def run_curve(
    folder: Path, shots: tuple[int, ...] = (), ways: tuple[int, ...] = (), device: str = "auto", **settings: Any
) -> pd.DataFrame:
    """Score a run's learner, as it was trained, against shots and against ways, and its floors on the same tasks.

    Writes the table to `curve.csv` and draws it to `curve.png`, both in the run's folder.

    Args:
        folder: of a finished run, with its weights.
        shots: with the run's ways; if neither is given, those of `SHOTS` that the data suffice for.
        ways: with the run's shots.
        device: `auto`, `cpu` or `cuda`.
        settings: `episodes` (test tasks of each, by default as many as the run had) and `data_root`.

    Returns:
        One row a learner or floor and kind of task: `against` (`shots` or `ways`: which of them changes), `ways`,
        `shots`, `queries`, `learner` (its name, or the floor's), `floor`, its measure (`accuracy` in percent, or
        `squared_error`), `half_width` of its 95% interval (over tasks, as of a record), `episodes`.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met, or other data than the run's.
    """
    run = load_trained(folder, device, same_tasks=False, **settings)
    config, dataset, learner, on = run.config, run.dataset, run.learner, choose_device(device)
    if config.task == "variable":
        raise UsageError(f"the tasks of '{folder}' have shots and ways of all kinds; run with --task fixed for a curve")
    if learner.fixed_ways and not config.regression and set(ways) - {config.ways}:
        raise UsageError(
            f"learner '{config.learner}' classifies tasks of {config.ways} ways and no others; leave --ways out"
        )
    if config.disjoint and "episodes" not in settings:
        config = config.model_copy(update={"episodes": None})  # of other shots there are not as many
    asked = [("shots", number) for number in shots] + [("ways", number) for number in ways]
    plan = [_changed(config, dataset, *point) for point in asked] or _possible(config, dataset)
    rows = []
    for kind, changed in plan:
        rows += _rows(kind, *scored_tasks(changed, dataset, None, on), learner, run.floors)
    table = pd.DataFrame(rows)
    write_atomically(folder / CURVE_FILE, lambda file: file.write(table.to_csv(index=False).encode()))
    title = f"{config.learner} on {run.record.dataset.name}, trained for {describe_task(config)}"
    draw_curve(table, learner.problem.measure, folder / CURVE_PICTURE, title)
    return table


def printable(table: pd.DataFrame) -> str:
    """The curves for a terminal: a row a point, a column a learner or floor, each with its interval."""
    measure = ACCURACY if ACCURACY.field in table else SQUARED_ERROR
    means, halves = (table[name].map(f"{{:.{measure.digits}f}}".format) for name in (measure.field, "half_width"))
    shown = table.assign(figure=means + (" ± " + halves).where(table["half_width"] > 0, ""))
    parts = []
    for against, part in shown.groupby("against", sort=False):
        wide = part.pivot(index=against, columns="learner", values="figure")[list(part["learner"].unique())]
        parts.append(wide.rename_axis(columns=None).reset_index().to_string(index=False))
    return f"{measure.name}{', %' if measure.percent else ''}\n" + "\n\n".join(parts)


def _changed(config: RunConfig, dataset: AnyDataset, kind: str, number: int) -> tuple[str, RunConfig]:
    """The configuration with other shots or ways; an error, before any is scored, if there are no such tasks."""
    changed = make_config(**{**config.model_dump(), kind: number, "data_root": config.data_root})
    scored_tasks(changed, dataset, None, "cpu")
    return kind, changed


def _possible(config: RunConfig, dataset: AnyDataset) -> list[tuple[str, RunConfig]]:
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
    kind: str, config: RunConfig, source: EpisodeSource, learner: Learner, floors: Mapping[str, Learner]
) -> list[dict[str, Any]]:
    assert config.episodes is not None
    measure = learner.problem.measure
    made = answer_episodes(learner, source, config.episodes, f"{config.ways}-way {config.shots}-shot")
    found = {config.learner: estimate(made.scores, config), **estimate_floors(floors, source, made.ways, config)}
    return [
        {
            "against": kind,
            **config.model_dump(include={"ways", "shots", "queries"}),
            "learner": name,
            "floor": place > 0,
            measure.field: round(measure.scale * figure.mean, measure.digits),
            "half_width": round(measure.scale * figure.half_width, measure.digits),
            "episodes": figure.count,
        }
        for place, (name, figure) in enumerate(found.items())
    ]
