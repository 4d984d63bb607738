import numpy as np
import pytest
import torch

from baselines.metric.protonet import ProtoNet
from episodes import Dataset, EpisodeSampler, FixedTask, RegressionTask, SinusoidSampler, load
from episodes.tasks.variable import VariableTask
from metabench.evaluation.floors import floor_learners, floor_scores
from metabench.evaluation.loop import evaluate, predict_episodes
from metabench.learner import Problem

TASK = FixedTask(ways=3, shots=2, queries=4)


def test_floors_of_images(glyphs: Dataset) -> None:
    """The random network is a ProtoNet that no step has trained; guessing is right in a third."""
    problem, source = Problem((1, 28, 28), 415, TASK), EpisodeSampler(glyphs.test, TASK, 0)
    learners = floor_learners(problem, "conv4:8", seed=3)
    scores = floor_scores(learners, source, np.full(50, 3))
    assert list(scores) == ["chance", "pixels", "random network"]
    assert np.array_equal(scores["chance"], np.full(50, 1 / 3))
    torch.manual_seed(3)
    untrained = ProtoNet(problem, ProtoNet.Options(backbone="conv4:8"))
    assert np.array_equal(scores["random network"], evaluate(untrained, source, 50))
    assert 0.5 < scores["random network"].mean() < 0.95
    assert 0.5 < scores["pixels"].mean() < 0.95


def test_training_is_the_same_whatever_floors_there_are(glyphs: Dataset) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    floors = floor_learners(Problem((1, 28, 28), 9, TASK), "conv4:8", seed=0)
    assert "random network" in floors
    assert torch.equal(torch.rand(2), expected)


def test_chance_follows_the_ways_of_each_task(glyphs: Dataset) -> None:
    source = EpisodeSampler(glyphs.test, VariableTask(), 0)
    learners = floor_learners(Problem((1, 28, 28), 415, TASK), "conv4:8", seed=0)
    made = predict_episodes(learners["pixels"], source, 5)
    ways = [source.indices([number]).classes.shape[1] for number in range(5)]
    assert len(set(ways)) > 1
    assert made.ways.tolist() == ways
    assert floor_scores({}, source, made.ways)["chance"].tolist() == [1 / number for number in ways]


def test_guessing_is_right_as_often_as_chance_says() -> None:
    random = np.random.default_rng(0)
    labels, guesses = random.integers(0, 5, 50_000), random.integers(0, 5, 50_000)
    source = SinusoidSampler(load("sinusoid").test, RegressionTask(5), 0)  # of images none is looked at
    assert (labels == guesses).mean() == pytest.approx(floor_scores({}, source, np.full(1, 5))["chance"][0], abs=0.005)


def test_a_backbone_that_only_a_plug_in_knows_leaves_the_random_network_out() -> None:
    assert list(floor_learners(Problem((1, 28, 28), 415, TASK), "mine", seed=0)) == ["pixels"]


def test_floors_of_a_regression() -> None:
    """Zero errs by the mean of A^2 sin^2: E A^2 / 2 for uniform phases, (5^3 - 0.1^3) / (3 * 4.9) / 2 = 4.25."""
    task = RegressionTask(shots=10, queries=50)
    problem, source = Problem((1,), 0, task), SinusoidSampler(load("sinusoid").test, task, 0)
    scores = floor_scores(floor_learners(problem, "mlp", 0), source, np.ones(2000, dtype=np.int64))
    assert list(scores) == ["zero", "support mean"]
    assert scores["zero"].mean() == pytest.approx(4.25, abs=0.25)
    episode = source.batch([7])
    by_hand = (episode.query_labels[0] - episode.support_labels[0].mean()).square().mean()
    assert scores["support mean"][7] == pytest.approx(float(by_hand), rel=1e-5)
