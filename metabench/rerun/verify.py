"""`metabench verify`: a record's learner scored again on the same tasks."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from episodes.sampling.source import EpisodeSource
from metabench.checks import broken_points
from metabench.errors import RunError
from metabench.escape import plain
from metabench.evaluation.score import Scored, score_learner
from metabench.experiment.pretrained import test_classes_seen
from metabench.metrics.metric import METRICS
from metabench.records.predictions import predictions_file, read_predictions
from metabench.records.provenance import VERIFIED_FILE, mark
from metabench.records.record import Floor, RunRecord, Score, now
from metabench.registry import changed_options, faults_of, get_learner
from metabench.rerun.load import TrainedRun, load_trained

# Other processors and versions of torch round differently: a prediction here and there, of many thousands.
TOLERANCES = {
    "worst_tasks": 0.01,
    "worst_class": 0.02,
    "class_quantile": 0.01,
    "over_classes": 0.002,
    "exact_match": 0.005,
    "calibration_error": 0.005,
}
TOLERANCE = 0.001
TEMPERATURE_TOLERANCE = 0.05  # as a fraction of it


@dataclass(frozen=True)
class Verification:
    """What scoring again gave.

    Attributes:
        record: that was verified.
        problems: a line on each value or fact of the record that did not come out again; none if it is verified.
        differing: then, how many tasks have another metric than in the record, within the tolerance.
    """

    record: RunRecord
    problems: tuple[str, ...]
    differing: int = 0

    def __str__(self) -> str:
        score, tasks = self.record.score, self.record.config.test.episodes
        title = f"{plain(self.record.id)}: {METRICS[score.metric].label} {METRICS[score.metric].text(score.mean)}"
        if self.problems:
            return "\n  ".join([f"{title}, not verified", *self.problems])
        same = f"{self.differing} of {tasks} tasks came out otherwise" if self.differing else f"on all {tasks} tasks"
        return f"{title}, verified: its learner gives these values again ({same})"


def verify(path: str | Path, device: str = "auto", **settings: Any) -> Verification:
    """Score a finished run's learner, its companions and floors again, and compare with the record.

    The means, ends of intervals and floors must agree within 0.1 points, and so must the tasks one by one on average
    (in regression within 0.1% of the mean); the worst class, worst tasks and calibration, which fewer queries decide,
    within 2, 1 and 0.5 points. What the record says of the learner must hold: its settings, whether it is transductive
    or was trained on other data, its number of parameters, and that it keeps the contract of learners (unless the
    record says that it does not). What training took, times and memory cannot be verified, nor what else was tried
    where options were chosen.

    If all holds `verified.json` is written to the folder; if something does not, it is removed.

    Args:
        path: the run's folder, or the record in it.
        device: to score on.
        settings: `data_root`, and `tasks`, the file of frozen tasks if it was tested on such.

    Raises:
        UsageError, episodes.DataError: record, weights or data cannot be read, or the data are not the run's.
        RunError: the learner fails, or its predictions are not finite.
    """
    run = load_trained(path, device, **settings)
    if (file := predictions_file(run.folder)).exists():
        read_predictions(file, run.of_tasks)
    fitted = run.record.score.temperature is not None
    with faults_of(run.learner_class, run.config.learner, RunError):
        scored = score_learner(run.learner, run.floors, run.test, run.config, run.validation if fitted else None)
        problems = (*_facts(run), *_contract(run, run.validation), *_values(run, scored))
    (run.folder / VERIFIED_FILE).unlink(missing_ok=True)
    differing = 0
    if not problems:
        differing = int((np.abs(scored.accuracies["learner"] - run.of_tasks) > 1e-5 * _unit(run.record)).sum())
        version = importlib.metadata.version("metabench")
        mark(run.folder, VERIFIED_FILE, verified=now(), metabench=version, device=run.device.type, differing=differing)
    return Verification(run.record, problems, differing)


def _facts(run: TrainedRun) -> Iterator[str]:
    """What the record says of its learner and does not hold."""
    record, learner = run.record, run.learner
    config = record.config
    changed = changed_options(get_learner(config.learner), config)
    # More than those are not a fault: a default may have changed since.
    options = {name: config.options.get(name) for name in record.changed_options}
    found: dict[str, tuple[Any, Any]] = {
        "changed_options": (record.changed_options, {**options, **changed}),
        "transductive": (record.transductive, learner.transductive),
        "outside_data": (record.outside_data, learner.outside_data),
        "parameters": (record.score.parameters, learner.scoring_parameters()),
        "split": (record.dataset.split, run.dataset.split),
    }
    if ":" not in record.dataset.name:  # a folder may have another name here
        found["dataset"] = (record.dataset.name, run.dataset.name)
    if record.test_classes != "unknown":  # of what earlier versions did not know, this one may know more
        found["test_classes"] = (record.test_classes, test_classes_seen(learner, run.dataset))
    for name, (recorded, holds) in found.items():
        if recorded != holds:
            yield f"{name}: the record has {plain(str(recorded), 100)}, and it is {plain(str(holds), 100)}"


def _contract(run: TrainedRun, validation: EpisodeSource) -> Iterator[str]:
    """The points of the contract that the learner breaks, where its record has none."""
    if not run.record.contract:
        yield from (f"contract: {point}" for point in broken_points(run.learner, validation))


def _values(run: TrainedRun, scored: Scored) -> Iterator[str]:
    """The values of the record that did not come out again."""
    record, again = run.record, scored.accuracies["learner"]
    if len(again) != len(run.of_tasks):
        yield f"tasks: the record has {len(run.of_tasks)}, and it takes {len(again)}"
        return
    unit, text = _unit(record), record.scored_by.text
    apart = float(np.abs(again - run.of_tasks).mean())
    if apart > TOLERANCE * unit:
        yield f"tasks: the {record.scored_by.label} of one is another by {text(apart)} on average"
    recorded, fitted = record.score.temperature, scored.score.temperature
    if recorded and fitted and abs(fitted - recorded) > TEMPERATURE_TOLERANCE * recorded:
        yield f"temperature: the record has {recorded:.4g}, and it is {fitted:.4g}"
    found = _named(scored.score, scored.companions, scored.floors)
    for name, value in _named(record.score, record.companions, record.floors).items():
        other, tolerance = found.get(name), unit * TOLERANCES.get(name.split(": ")[-1], TOLERANCE)
        if other is None:
            yield f"{plain(name, 80)}: the record has {text(value)}, and this learner gives none"
        elif abs(other - value) > tolerance:
            yield f"{name}: the record has {text(value)}, and it is {text(other)}"


def _named(score: Score, companions: dict[str, Score], floors: dict[str, Floor]) -> dict[str, float]:
    """Every value of these that there is, by name; records of version 1 lack some."""
    names = ("half_width", "low", "high", *TOLERANCES)
    scores = {"": score, **{f"{name}: ": each for name, each in companions.items()}}
    values = {f"{whose}{each.metric}": each.mean for whose, each in scores.items()}
    values |= {f"{whose}{name}": getattr(each, name) for whose, each in scores.items() for name in names}
    over = {f"{whose}over_classes": each.over_classes for whose, each in scores.items()}
    values |= {name: interval.half_width for name, interval in over.items() if interval}
    values |= {f"floor {name}": floor.mean for name, floor in floors.items()}
    return {name: value for name, value in values.items() if value is not None}


def _unit(record: RunRecord) -> float:
    """What a tolerance is a fraction of: 1 for accuracies, in regression the mean."""
    return 1.0 if record.scored_by.percent else record.score.mean
