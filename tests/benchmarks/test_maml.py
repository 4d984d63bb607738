"""MAML's steps, ours and learn2learn's, in turn, in one run: the ratio of their best times is what is held."""

from typing import Any

import pytest
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture
from torch import nn

from baselines.backbones import Layers, build_backbone
from baselines.gradient.maml import MAML
from episodes import Dataset, EpisodeSampler, FixedTask
from metabench.learner import Problem
from tests.benchmarks.ratio import ratio_of_best


@pytest.mark.parametrize(
    ("backbone", "ways", "inner_steps", "least"),
    [("conv4", 5, 1, 1.2), ("conv4", 5, 5, 1.15), ("conv4", 20, 1, 1.2), ("conv4-strided", 5, 1, 1.15)],
)
def test_a_training_step_against_learn2learn(
    benchmark: BenchmarkFixture,
    glyphs: Dataset,
    learn2learn: Any,
    backbone: str,
    ways: int,
    inner_steps: int,
    least: float,
) -> None:
    """Second order, four 1-shot tasks with 15 queries per class, each normalised by its own batch statistics.

    learn2learn has the same layers with torch's batch normalisation, in the layout that is faster for it. The bounds
    leave room for the clock's noise.
    """
    options = MAML.Options(backbone=backbone, inner_steps=inner_steps, inner_learning_rate=0.1, transductive=True)
    learner = MAML(Problem((1, 28, 28), glyphs.train.classes, FixedTask(ways, 1)), options)
    batch = EpisodeSampler(glyphs.train, FixedTask(ways, 1, 15), seed=0).batch(range(4)).to_float()
    head = nn.Linear(64, ways)
    network = Layers(
        build_backbone(backbone, (1, 28, 28), norm=lambda width: nn.BatchNorm2d(width, track_running_stats=False)), head
    )
    network.load_state_dict(learner.network.state_dict())
    reference = learn2learn.algorithms.MAML(network, lr=0.1, first_order=False)

    def ours() -> None:
        for part in learner.loss(batch):
            part.backward()

    def theirs() -> None:
        for number in range(len(batch)):
            clone = reference.clone()
            for _ in range(inner_steps):
                clone.adapt(F.cross_entropy(clone(batch.support[number]), batch.support_labels[number]))
            loss = F.cross_entropy(clone(batch.query[number]), batch.query_labels[number])
            (loss / len(batch)).backward()

    assert ratio_of_best(benchmark, ours, theirs, least=10) >= least
