"""MAML's steps, ours and learn2learn's, in turn, in one run: the ratio of their best times is what is held.

Each task is normalised by its own batch statistics. learn2learn has the same layers with torch's batch normalisation,
in the layout that is faster for it.
"""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn

from baselines.backbones import Layers, build_backbone, feature_size
from baselines.gradient.maml import MAML
from episodes import FixedTask
from episodes.episode import LabelledEpisodeBatch
from metabench.learner import Problem
from tests.benchmarks.ratio import ratio_of_best

RATE = 0.1


def tasks_of(shape: tuple[int, ...], count: int, ways: int) -> LabelledEpisodeBatch:
    """1-shot tasks with 15 queries per class, of noise: what they show takes no time."""
    torch.manual_seed(0)
    support, labels = torch.rand(count, ways, *shape), torch.arange(ways).expand(count, -1)
    query, query_labels = torch.rand(count, 15 * ways, *shape), torch.arange(ways).repeat(15).expand(count, -1)
    return LabelledEpisodeBatch(support, labels, query, ways, query_labels=query_labels)


def learner_and_network(backbone: str, shape: tuple[int, ...], ways: int, inner_steps: int) -> tuple[MAML, Layers]:
    """Ours, and a plain network with its weights."""
    options = MAML.Options(backbone=backbone, inner_steps=inner_steps, inner_learning_rate=RATE, transductive=True)
    learner = MAML(Problem(shape, 64, FixedTask(ways, 1)), options)
    body = build_backbone(backbone, shape, norm=lambda width: nn.BatchNorm2d(width, track_running_stats=False))
    network = Layers(body, nn.Linear(feature_size(body, shape), ways))
    network.load_state_dict(learner.network.state_dict())
    return learner, network


def adapted(reference: Any, tasks: LabelledEpisodeBatch, number: int, inner_steps: int) -> Any:
    """learn2learn's network after the steps on the support of one of the tasks."""
    clone = reference.clone()
    for _ in range(inner_steps):
        clone.adapt(F.cross_entropy(clone(tasks.support[number]), tasks.support_labels[number]))
    return clone


@pytest.mark.parametrize(
    ("backbone", "size", "ways", "inner_steps", "least"),
    [
        ("conv4", 28, 5, 1, 1.2),
        ("conv4", 28, 5, 5, 1.15),
        ("conv4", 28, 20, 1, 1.2),
        ("conv4-strided", 28, 5, 1, 1.15),
        pytest.param("resnet12", 84, 5, 1, 1.0, marks=pytest.mark.slow),
    ],
)
def test_a_training_step_against_learn2learn(
    benchmark: BenchmarkFixture, learn2learn: Any, backbone: str, size: int, ways: int, inner_steps: int, least: float
) -> None:
    """Second order, four tasks, of 84 x 84 in colour one. The bounds leave room for the clock's noise.

    The floor, which is shown and not held, is the network's own way forward and back over all the images at once.
    """
    shape, count = ((1, 28, 28), 4) if size == 28 else ((3, size, size), 1)
    learner, network = learner_and_network(backbone, shape, ways, inner_steps)
    tasks = tasks_of(shape, count, ways)
    reference = learn2learn.algorithms.MAML(network, lr=RATE, first_order=False)

    def ours() -> None:
        for part in learner.loss(tasks):
            part.backward()

    def theirs() -> None:
        for number in range(count):
            logits = adapted(reference, tasks, number, inner_steps)(tasks.query[number])
            (F.cross_entropy(logits, tasks.query_labels[number]) / count).backward()

    images = torch.cat([tasks.support, tasks.query], 1).flatten(0, 1).to(memory_format=torch.channels_last)
    labels = torch.cat([tasks.support_labels, tasks.query_labels], 1).flatten()

    def floor() -> None:
        F.cross_entropy(network(images), labels).backward()

    assert ratio_of_best(benchmark, ours, theirs, least=10 if size == 28 else 2, floor=floor) >= least


def test_adaptation_against_learn2learn(benchmark: BenchmarkFixture, learn2learn: Any) -> None:
    """What a test task takes: ten inner steps without second derivatives, then its queries; 8 tasks of 5 ways."""
    steps, shape = 10, (1, 28, 28)
    learner, network = learner_and_network("conv4", shape, 5, steps)
    tasks = tasks_of(shape, 8, 5)
    reference = learn2learn.algorithms.MAML(network, lr=RATE, first_order=True)

    def ours() -> Tensor:
        with torch.no_grad():
            return learner.eval().classify(tasks.without_query_labels())

    def theirs() -> Tensor:
        answers = []
        for number in range(len(tasks)):
            clone = adapted(reference, tasks, number, steps)
            with torch.no_grad():
                answers.append(clone(tasks.query[number]))
        return torch.stack(answers)

    torch.testing.assert_close(ours(), theirs(), rtol=1e-3, atol=1e-3)
    assert ratio_of_best(benchmark, ours, theirs, least=10) >= 1.2
