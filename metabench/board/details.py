"""What a row of the page opens: its runs with their curves, its configuration, and the facts of its newest record."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from metabench.board.rows import Entry
from metabench.config import NOT_RECORDED, SETTINGS
from metabench.escape import plain
from metabench.metrics.metric import METRICS
from metabench.records.command import command
from metabench.records.record import RunRecord

MOST_RUNS = 20  # of a row, that are shown one by one
MOST_POINTS = 60  # of a learning curve
MOST_STAGES = 8
MOST_FLOORS = 8


def details(entry: Entry, picture: str | None = None, tasks: Sequence[Any] = ()) -> dict[str, Any]:
    """As JSON takes it; all text is plain, and there is only so much of it.

    Args:
        entry: the row.
        picture: of its hardest tasks, a data URI.
        tasks: its hardest tasks, where they are of texts (see `metabench.records.shown.ShownTask`).
    """
    record = entry.record
    changed = {*record.changed_options}
    settings = {name: record.config[name] for name in SETTINGS if name != "options"}
    known = {name: value for name, value in settings.items() if value is not None and name not in NOT_RECORDED}
    return {
        "runs": [_run(run.record) for run in entry.runs[-MOST_RUNS:]],
        "hidden": max(0, len(entry.runs) - MOST_RUNS),
        "settings": [[name, _text(value), _changed(value, SETTINGS[name].default)] for name, value in known.items()],
        "options": [[plain(name), _text(value), name in changed] for name, value in record.config.options.items()],
        "facts": _facts(record),
        "command": command(record),
        "frozen": bool(record.dataset.tasks),
        "picture": picture,
        "tasks": list(tasks),
    }


def _changed(value: object, default: object) -> bool:
    """Whether a setting is not its default; one whose default is chosen when a run starts has none to differ from."""
    return default not in (None, "auto") and value != default


def _run(record: RunRecord) -> dict[str, Any]:
    curves: dict[str, list[list[float | None]]] = {}
    for row in record.training.curve:
        stage = plain(str(row.get("stage", "")), 40)
        values = [_number(row.get(name)) for name in ("step", "loss", f"validation_{record.scored_by.name}")]
        if values[0] is not None and (stage in curves or len(curves) < MOST_STAGES):
            curves.setdefault(stage, []).append(values)
    score, scale = record.score, record.scored_by.scale
    mean, half = scale * score.mean, scale * score.half_width
    return {
        "id": plain(record.id, 100),
        "seed": record.config.training.seed,
        "testSeed": record.config.test.test_seed,
        "mean": mean,
        "half": half,
        "low": mean - half if score.low is None else scale * score.low,
        "high": mean + half if score.high is None else scale * score.high,
        "curves": [[stage, _thinned(points)] for stage, points in curves.items()],
        "companions": [
            [plain(name, 40), METRICS[each.metric].interval(each.mean, each.half_width), each.parameters]
            for name, each in itertools.islice(record.companions.items(), 8)
        ],
    }


def _facts(record: RunRecord) -> list[list[str]]:
    environment, packages = record.environment, record.environment.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    peak, ranks = record.peak_memory_megabytes, environment.get("ranks")
    several = f", {len(ranks)} ranks" if isinstance(ranks, list) and len(ranks) > 1 else ""
    facts = {
        **_beyond_the_mean(record),
        **_chosen(record),
        "Finished": record.created,
        "Device": f"{environment.get('device', '?')}, {environment.get('threads', '?')} threads{several}",
        "Peak memory": None if peak is None else f"{peak:,.0f} MB",
        "Evaluation": f"{record.evaluation_seconds:,.1f} s",
        "Versions": ", ".join(
            f"{name} {versions[name]}" for name in ("metabench", "torch", "numpy") if name in versions
        ),
        "Commit": environment.get("commit"),
        "Test data": record.dataset.fingerprints.test,
        "Training data": record.dataset.fingerprints.train,
        "Frozen tasks": record.dataset.tasks,
        "Pre-trained": _pretrained(record),
        "Test classes in the outside data": record.test_classes if record.outside_data else None,
    }
    return [[name, plain(str(value), 200)] for name, value in facts.items() if value]


def _pretrained(record: RunRecord) -> str | None:
    """By which objectives, on what, and how many items; in one line."""
    if record.weights is None:
        return None
    if not record.weights.stages:
        return record.weights.file
    stages, sources = ", then ".join(record.weights.stages), (source.name for source in record.weights.sources)
    texts, images = record.weights.texts, record.weights.images
    items = f"{images:,} images" if images else f"{texts:,} texts"
    return f"{stages} on {', '.join(dict.fromkeys(sources))}: {items}, none of the test"


def _chosen(record: RunRecord) -> dict[str, str]:
    """From what the options were chosen, and what the tries gave."""
    selection, text = record.selection, record.scored_by.text
    if not selection:
        return {}
    count, grid, best = len(selection.tries), selection.grid, selection.best(record.scored_by)
    some = f"{count} of {grid}" if grid and count < grid else str(count)
    tries = [
        f"{_named(each.options)} {'not finite' if each.mean is None else text(each.mean)}" for each in selection.tries
    ]
    return {
        "Chosen": f"{_named(best.options if best else {})} from {some} on {selection.episodes:,} validation tasks",
        "Search": f"{selection.seconds:,.1f} s, {selection.processor_seconds:,.1f} s of processor time",
        "Tries": "; ".join(tries),
    }


def _named(options: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_text(value)}" for name, value in options.items())


def _beyond_the_mean(record: RunRecord) -> dict[str, str]:
    """Floors, the worst, and calibration, as far as the record has them."""
    score, metric = record.score, record.scored_by
    floors = itertools.islice(record.floors.items(), MOST_FLOORS)
    values: dict[str, float | None] = {f"Floor: {plain(name, 40)}": floor.mean for name, floor in floors}
    values |= {"Worst 5% of tasks": score.worst_tasks, "Worst class": score.worst_class}
    values["Calibration error"] = score.calibration_error
    texts = {name: metric.text(value) for name, value in values.items() if value is not None}
    temperature = getattr(score, "temperature", None)
    if temperature is not None:
        texts["Temperature of the logits, fitted on validation tasks"] = f"{temperature:.4g}"
    if score.task_megabytes is not None:
        texts["Memory per task"] = f"{score.task_megabytes:,.1f} MiB"
    return texts


def _thinned(points: list[list[float | None]]) -> list[list[float | None]]:
    if len(points) <= MOST_POINTS:
        return points
    return [points[place] for place in np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(int)]


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100
    return float(f"{value:.5g}") if usable and math.isfinite(value) else None  # type: ignore[arg-type]


def _text(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return plain(shown, 300)
