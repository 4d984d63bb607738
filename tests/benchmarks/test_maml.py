"""A MAML step, ours and learn2learn's, in turn, in one run: the ratio of their best times is what is held."""

from typing import Any

import pytest
import torch.nn.functional as F
from pytest_benchmark.fixture import BenchmarkFixture

from baselines.gradient.maml import MAML
from episodes import Dataset, EpisodeSampler, FixedTask
from metabench.learner import Problem
from tests.benchmarks.ratio import ratio_of_best


@pytest.mark.parametrize("backbone", ["conv4", "conv4-strided"])
def test_a_maml_step_is_no_slower(
    benchmark: BenchmarkFixture, glyphs: Dataset, learn2learn: Any, backbone: str
) -> None:
    """Second order, one inner step, four 5-way 1-shot tasks, queries normalised as learn2learn's users do."""
    options = MAML.Options(backbone=backbone, inner_steps=1, inner_learning_rate=0.4, transductive=True)
    learner = MAML(Problem((1, 28, 28), glyphs.train.classes, FixedTask(5, 1)), options)
    batch = EpisodeSampler(glyphs.train, FixedTask(5, 1, 5), seed=0).batch(range(4)).to_float()
    reference = learn2learn.algorithms.MAML(learner.network, lr=0.4, first_order=False)

    def ours() -> None:
        for part in learner.loss(batch):
            part.backward()

    def theirs() -> None:
        for number in range(len(batch)):
            clone = reference.clone()
            clone.adapt(F.cross_entropy(clone(batch.support[number]), batch.support_labels[number]))
            loss = F.cross_entropy(clone(batch.query[number]), batch.query_labels[number])
            (loss / len(batch)).backward()

    assert ratio_of_best(benchmark, ours, theirs) >= 0.85  # equal, with room for the clock's noise
