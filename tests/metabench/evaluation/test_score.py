from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from torch import Tensor

from baselines.metric.nearest import Nearest
from episodes import Dataset, EpisodeSampler, FixedTask, VariableTask
from metabench.config import make_config
from metabench.evaluation.loop import Evaluation, predict_episodes
from metabench.evaluation.score import estimate_floors, score_learner, tabulate
from metabench.learner import Problem, TrainingOptions
from metabench.metrics.metric import ACCURACY
from metabench.records.predictions import accuracies_of
from metabench.stats.intervals import class_interval

TASK = FixedTask(ways=3, shots=1, queries=4)
CONFIG = make_config(ways=3, shots=1, queries=4, episodes=60, validation_episodes=5)


class Peephole(Nearest):
    """Sees two pixels, and so is wrong now and then."""

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> tuple[Tensor, Tensor, int]:
        return super().adapt(support[..., :1, :2], support_labels, ways)

    def predict(self, adapted: tuple[Tensor, Tensor, int], query: Tensor) -> Tensor:
        return super().predict(adapted, query[..., :1, :2])


def test_what_a_record_says_of_classes(toy: Dataset) -> None:
    source = EpisodeSampler(toy.test, TASK, 0)
    learner = Peephole(Problem((1, 28, 28), 8, TASK), TrainingOptions())
    score = score_learner(learner, {}, source, CONFIG, EpisodeSampler(toy.validation, TASK, 0)).score
    predictions = tabulate(source, predict_episodes(learner, source, 60))
    right = (predictions["class"].astype(str) == predictions["prediction"].astype(str)).rename("right")
    by_class = right.groupby(predictions["class"].astype(str)).mean().sort_values().to_numpy()
    assert len(by_class) == 8
    assert score.class_quantile == pytest.approx(by_class[0] + 0.35 * (by_class[1] - by_class[0]))  # 0.05 of 7 gaps
    assert score.worst_class == by_class[0]
    expected = class_interval(pd.concat([predictions[["task", "class", "group"]], right], axis=1))
    assert score.over_classes is not None
    assert (score.over_classes.low, score.over_classes.high) == (expected.low, expected.high)
    assert score.over_classes.count == 8
    assert "choice of test classes" in score.over_classes.covers
    assert score.temperature is not None


def test_classes_without_queries_count_as_classes_of_their_tasks(toy: Dataset) -> None:
    """With so small a concentration most tasks ask for one of three classes; the interval knows the other two."""
    task = replace(TASK, query_imbalance="dirichlet:0.01")
    source = EpisodeSampler(toy.test, task, 0)
    learner = Peephole(Problem((1, 28, 28), 8, task), TrainingOptions())
    score = score_learner(learner, {}, source, CONFIG, EpisodeSampler(toy.validation, task, 0)).score
    made = predict_episodes(learner, source, 60)
    predictions = tabulate(source, made)
    assert len(predictions) == 60 * task.ways * task.queries
    assert accuracies_of(predictions) == pytest.approx(made.scores)
    assert predictions.groupby("task")["class"].nunique().mean() < 1.5
    classes = source.drawn(range(60)).classes
    names = [toy.test.class_names[number] for number in classes.ravel()]
    present = pd.DataFrame({"task": np.arange(60).repeat(task.ways), "class": names})
    right = predictions["class"].astype(str) == predictions["prediction"].astype(str)
    table = predictions[["task", "class", "group"]].assign(right=right)
    expected = class_interval(table, present=present)
    assert score.over_classes is not None
    assert (score.over_classes.low, score.over_classes.high) == (expected.low, expected.high)
    assert expected.half_width != class_interval(table).half_width
    assert score.worst_class == right.groupby(predictions["class"].astype(str)).mean().min()
    assert score.calibration_error is not None
    assert np.isfinite(score.calibration_error)


def test_where_all_is_right_nothing_is_known_of_other_classes(toy: Dataset) -> None:
    learner = Nearest(Problem((1, 28, 28), 8, TASK), TrainingOptions())
    score = score_learner(learner, {}, EpisodeSampler(toy.test, TASK, 0), CONFIG).score
    assert score.mean == 1
    assert score.over_classes is None


def test_without_validation_or_enough_tasks_there_is_less(toy: Dataset) -> None:
    learner = Nearest(Problem((1, 28, 28), 8, TASK), TrainingOptions())
    few = CONFIG.model_copy(update={"episodes": 5})
    score = score_learner(learner, {}, EpisodeSampler(toy.test, TASK, 0), few).score
    assert score.over_classes is None
    assert score.temperature is None


def test_chance_is_known(toy: Dataset) -> None:
    """Also over tasks of differing ways, whose mean is what it is."""
    nothing = np.zeros(0)
    made = Evaluation(nothing, nothing, np.array([5, 10, 20]), np.full(3, 7), nothing, nothing, nothing)
    found = estimate_floors({}, EpisodeSampler(toy.test, VariableTask(), 0), made, CONFIG, ACCURACY)["chance"]
    assert found.mean == pytest.approx((0.2 + 0.1 + 0.05) / 3)
    assert found.half_width == 0
