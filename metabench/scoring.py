"""From a trained learner to the figures of its record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from episodes.sampler import BankSource, EpisodeSource
from metabench.analysis import by_class, calibration_error, worst_tasks
from metabench.answers import encode, tabulate
from metabench.cost import task_megabytes
from metabench.environment import peak_memory_megabytes
from metabench.evaluator import Evaluation, answer_episodes, classify_latency
from metabench.floors import floor_scores
from metabench.learner import Learner
from metabench.records import Floor, Score
from metabench.stats import mean_interval


@dataclass(frozen=True, eq=False)
class Scored:
    """What testing gave.

    Attributes:
        score: the learner's.
        companions: theirs, by name.
        floors: by name.
        accuracies: the measure of the learner and of each companion on each task, by name, `[E]`.
        answers: the file of the learner's answers; None in regression.
        seconds: that the learner and its companions took for the tasks.
        peak_megabytes: memory used until then (see `metabench.environment.peak_memory_megabytes`).
    """

    score: Score
    companions: dict[str, Score]
    floors: dict[str, Floor]
    accuracies: dict[str, NDArray[np.float64]]
    answers: bytes | None
    seconds: float
    peak_megabytes: float | None


def score_learner(learner: Learner, floors: Mapping[str, Learner], test: EpisodeSource, episodes: int) -> Scored:
    """Test a learner, its companions and the floors on the tasks 0 to `episodes` - 1; all are on the tasks' device."""
    started = time.perf_counter()
    entrants = {"learner": learner, **learner.companions()}
    made = {name: answer_episodes(entrant, test, episodes, f"test {name}") for name, entrant in entrants.items()}
    seconds, peak = time.perf_counter() - started, peak_memory_megabytes(test.device)
    answers = {name: tabulate(test, one) for name, one in made.items() if isinstance(test, BankSource)}
    scores = {name: _score(entrant, made[name], answers.get(name), test) for name, entrant in entrants.items()}
    return Scored(
        score=scores.pop("learner"),
        companions=scores,
        floors=measure_floors(floors, test, made["learner"].ways),
        accuracies={name: one.scores for name, one in made.items()},
        answers=encode(answers["learner"]) if answers else None,
        seconds=seconds,
        peak_megabytes=peak,
    )


def measure_floors(floors: Mapping[str, Learner], test: EpisodeSource, ways: NDArray[np.int64]) -> dict[str, Floor]:
    """The floors' means with their intervals; arguments as of `metabench.floors.floor_scores`."""
    return {name: estimate(scores) for name, scores in floor_scores(floors, test, ways).items()}


def estimate(scores: NDArray[np.float64]) -> Floor:
    """The mean over tasks with its interval."""
    found = mean_interval(scores)
    return Floor(mean=found.mean, half_width=found.half_width, episodes=found.count)


def _score(learner: Learner, made: Evaluation, answers: pd.DataFrame | None, test: EpisodeSource) -> Score:
    found, measure = mean_interval(made.scores), learner.problem.measure
    return Score(
        **{measure.field: found.mean},
        half_width=found.half_width,
        worst_tasks=worst_tasks(made.scores, measure),
        worst_class=None if answers is None else by_class(answers)["accuracy"].min(),
        calibration_error=None if answers is None else calibration_error(answers),
        parameters=learner.scoring_parameters(),
        task_milliseconds=classify_latency(learner, test, len(made.scores)),
        task_megabytes=task_megabytes(learner, test),
    )
