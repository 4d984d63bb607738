"""From a trained learner to the values of its record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from episodes.sampling.source import BankSource, EpisodeSource
from metabench import ranks
from metabench.config import RunConfig
from metabench.evaluation.calibration import learner_temperature
from metabench.evaluation.cost import classify_latency, peak_memory_megabytes, task_megabytes, task_multiply_adds
from metabench.evaluation.floors import CHANCE, floor_scores
from metabench.evaluation.loop import Evaluation, evaluate_until, predict_episodes
from metabench.learner import Learner
from metabench.metrics.metric import Metric
from metabench.records.predictions import CONFIDENCE_DIGITS, encode
from metabench.records.record import Floor, Interval, Score
from metabench.stats.diagnostics import LOW_CLASSES, by_class, calibration_error, over_classes, worst_tasks
from metabench.stats.intervals import DISJOINT_TASKS, FUNCTIONS, REDRAWN_TASKS, Estimate, mean_interval, query_interval
from metabench.stats.stopping import FixedWidth


@dataclass(frozen=True, eq=False)
class Scored:
    """What testing gave.

    Attributes:
        score: the learner's.
        companions: theirs, by name.
        floors: by name.
        accuracies: the metric of the learner and of each companion on each task, by name, `[E]`.
        predictions: their file, the learner's; None in regression and of words.
        seconds: that the learner and its companions took for the tasks.
        peak_megabytes: memory used until then by the rank that used most (see
            `metabench.evaluation.cost.peak_memory_megabytes`).
    """

    score: Score
    companions: dict[str, Score]
    floors: dict[str, Floor]
    accuracies: dict[str, NDArray[np.float64]]
    predictions: bytes | None
    seconds: float
    peak_megabytes: float | None

    @property
    def episodes(self) -> int:
        """How many tasks."""
        return len(self.accuracies["learner"])


def score_learner(
    learner: Learner,
    floors: Mapping[str, Learner],
    test: EpisodeSource,
    config: RunConfig,
    validation: EpisodeSource | None = None,
) -> Scored:
    """Test a learner, its companions and the floors on the same tasks.

    Args:
        learner: on the tasks' device.
        floors: by name, there too.
        test: the tasks, from number 0 on.
        config: says how many: `episodes`, or until the learner's interval is `until_interval` wide.
        validation: tasks on which the temperatures of the learner and its companions are fitted; None to leave their
            logits as they are.
    """
    assert config.test.episodes is not None
    started = time.perf_counter()
    metric = learner.problem.metric
    companions, rule = learner.companions(), _stopping_rule(config, metric)
    entrants = {"learner": learner, **companions}
    temperatures: dict[str, float] = {}
    by_query = not (learner.problem.regression or learner.problem.words)  # whether each has a prediction of its own
    if validation and by_query:
        count = config.training.validation_episodes
        temperatures = {name: learner_temperature(entrant, validation, count) for name, entrant in entrants.items()}
    first = temperatures.get("learner", 1.0)
    if rule:
        made = {"learner": evaluate_until(learner, test, rule, "test learner", first)}
    else:
        made = {"learner": predict_episodes(learner, test, config.test.episodes, "test learner", temperature=first)}
    episodes = len(made["learner"].scores)
    for name, entrant in companions.items():
        temperature = temperatures.get(name, 1.0)
        made[name] = predict_episodes(entrant, test, episodes, f"test {name}", temperature=temperature)
    seconds = time.perf_counter() - started
    peak = max(ranks.gathered(peak_memory_megabytes(test.device)), key=lambda each: each or 0.0)
    predictions = {}
    if by_query and isinstance(test, BankSource):
        predictions = {name: tabulate(test, one) for name, one in made.items()}
    estimates = {name: estimate(one.scores, one.queries, config, metric) for name, one in made.items()}
    if rule:
        estimates["learner"] = replace(rule.estimate(made["learner"].scores), covers=covers(config, metric))
    groups = _whole_groups(test, validation)
    scores = ranks.of_first(
        lambda: {
            name: _score(
                entrant, made[name], estimates[name], predictions.get(name), test, temperatures.get(name), groups
            )
            for name, entrant in entrants.items()
        }
    )
    return Scored(
        score=scores.pop("learner"),
        companions=scores,
        floors={
            name: Floor(mean=found.mean, half_width=found.half_width, episodes=episodes)
            for name, found in estimate_floors(floors, test, made["learner"], config, metric).items()
        },
        accuracies={name: one.scores for name, one in made.items()},
        predictions=encode(predictions["learner"]) if predictions else None,
        seconds=seconds,
        peak_megabytes=peak,
    )


def estimate_floors(
    floors: Mapping[str, Learner], test: EpisodeSource, made: Evaluation, config: RunConfig, metric: Metric
) -> dict[str, Estimate]:
    """The floors' means on the tasks of an evaluation with their intervals; see `floor_scores` and `estimate`.

    Chance is known, not estimated: its interval is its mean.
    """
    scores = floor_scores(floors, test, made.ways)
    found = {name: estimate(of_tasks, made.queries, config, metric) for name, of_tasks in scores.items()}
    if CHANCE in found:
        known = found[CHANCE]
        found[CHANCE] = replace(known, low=known.mean, high=known.mean)
    return found


def estimate(scores: NDArray[np.float64], queries: NDArray[np.int64], config: RunConfig, metric: Metric) -> Estimate:
    """The mean over the tasks of a configuration, of so many queries each, with its interval and what that covers."""
    if len(scores) == 1:
        return query_interval(float(scores[0]), int(queries[0]))
    return mean_interval(scores, bounded=metric.percent, covers=covers(config, metric))


def covers(config: RunConfig, metric: Metric) -> str:
    """What an interval over the tasks of a configuration is about."""
    if not metric.percent:
        return FUNCTIONS
    return DISJOINT_TASKS if config.test.disjoint else REDRAWN_TASKS


def _stopping_rule(config: RunConfig, metric: Metric) -> FixedWidth | None:
    if config.test.until_interval is None:
        return None
    assert config.test.episodes is not None
    return FixedWidth(config.test.until_interval / metric.scale, bounded=metric.percent, most=config.test.episodes)


def _whole_groups(test: EpisodeSource, validation: EpisodeSource | None) -> bool:
    """Whether test classes come as whole groups: no other split has a class of the same script or superclass."""
    if not (isinstance(test, BankSource) and isinstance(validation, BankSource)):
        return False
    groups = set(test.bank.groups)
    return len(groups) < test.bank.classes and groups.isdisjoint(validation.bank.groups)


def _interval(found: Estimate) -> Interval:
    return Interval(half_width=found.half_width, low=found.low, high=found.high, count=found.count, covers=found.covers)


def _score(
    learner: Learner,
    made: Evaluation,
    found: Estimate,
    predictions: pd.DataFrame | None,
    test: EpisodeSource,
    temperature: float | None,
    whole_groups: bool,
) -> Score:
    metric = learner.problem.metric
    of_classes = None if predictions is None else by_class(predictions)["accuracy"]
    redrawn = None
    if predictions is not None and isinstance(test, BankSource):
        redrawn = over_classes(predictions, whole_groups, _unasked(test, made))
    return Score(
        metric=metric.name,
        mean=found.mean,
        exact_match=float(made.exact.mean()) if len(made.exact) else None,
        half_width=found.half_width,
        low=found.low,
        high=found.high,
        covers=found.covers,
        worst_tasks=worst_tasks(made.scores, metric),
        worst_class=None if of_classes is None else of_classes.min(),
        class_quantile=None if of_classes is None else float(of_classes.quantile(LOW_CLASSES)),
        over_classes=None if redrawn is None else _interval(redrawn),
        calibration_error=None if predictions is None else calibration_error(predictions),
        temperature=temperature,
        parameters=learner.scoring_parameters(),
        task_milliseconds=classify_latency(learner, test, len(made.scores)),
        task_megabytes=task_megabytes(learner, test),
        task_multiply_adds=task_multiply_adds(learner, test),
    )


def tabulate(source: BankSource, evaluation: Evaluation) -> pd.DataFrame:
    """One row per query, task by task and class by class, of the episodes 0 to E - 1 of `source`.

    Returns:
        A table with the columns `task` (the episode's number), `class` (the query's true class), `group` (what that
        class belongs to: alphabet, script, superclass), `prediction` (a class; categories as those of `class`)
        and `confidence` (0 to 1, rounded to `CONFIDENCE_DIGITS`).
    """
    episodes, bank = range(len(evaluation.queries)), source.bank
    classes = _classes(source, len(episodes))
    ways = np.asarray([len(row) for row in classes])
    first = np.repeat(np.cumsum(ways) - ways, evaluation.queries)
    flat = np.concatenate(classes)
    by_class = np.argsort(first + evaluation.labels, kind="stable")  # which takes half of the bytes in a file
    true, predicted = flat[first + evaluation.labels][by_class], flat[first + evaluation.predictions][by_class]
    class_names, group_names = pd.Index(bank.class_names), pd.Index(list(bank.group_members))
    group_numbers = group_names.get_indexer(pd.Index(bank.groups))
    return pd.DataFrame(
        {
            "task": np.repeat(np.arange(len(episodes), dtype=np.int32), evaluation.queries),
            "class": pd.Categorical.from_codes(true, class_names),
            "group": pd.Categorical.from_codes(group_numbers[true], group_names),
            "prediction": pd.Categorical.from_codes(predicted, class_names),
            "confidence": np.round(evaluation.confidences[by_class].astype(np.float64), CONFIDENCE_DIGITS),
        }
    )


def _classes(source: BankSource, episodes: int) -> list[NDArray[np.int64]]:
    """The numbers of the classes of each of the episodes 0 to `episodes` - 1."""
    numbers = range(episodes)
    blocks = [numbers] if source.one_shape else [range(number, number + 1) for number in numbers]
    return [row for block in blocks for row in source.drawn(block).classes]


def _unasked(source: BankSource, evaluation: Evaluation) -> pd.DataFrame | None:
    """`task` and `class` of every class of every episode; None if each of them has queries there."""
    places = np.repeat(np.cumsum(evaluation.ways) - evaluation.ways, evaluation.queries) + evaluation.labels
    if len(np.unique(places)) == evaluation.ways.sum():
        return None
    classes, names = _classes(source, len(evaluation.ways)), np.asarray(source.bank.class_names, dtype=object)
    tasks = np.repeat(np.arange(len(classes)), evaluation.ways)
    return pd.DataFrame({"task": tasks, "class": names[np.concatenate(classes)]})
