"""Small gradient-based learners and tasks in float64, and what their gradients are compared with."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.gradient._learner import StepLearner
from episodes.episode import LabelledEpisodeBatch
from metabench.checks import build
from metabench.learner import Problem
from metabench.samples import PROBLEM, random_episodes

AnyLearner = TypeVar("AnyLearner", bound=StepLearner)


def double_episodes(count: int = 2, seed: int = 0) -> LabelledEpisodeBatch:
    episodes = random_episodes(count, seed)
    return replace(episodes, support=episodes.support.double(), query=episodes.query.double())


def double_learner(
    kind: type[AnyLearner], problem: Problem = PROBLEM, backbone: str = "conv4:4", **options: Any
) -> AnyLearner:
    learner = build(kind, problem=problem, backbone=backbone, **options).double()
    assert isinstance(learner, kind)
    return learner


def loss_of(learner: StepLearner, episodes: LabelledEpisodeBatch) -> Tensor:
    return torch.stack(list(learner.loss(episodes))).sum()


def gradients(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    return list(torch.autograd.grad(loss, parameters, materialize_grads=True))


def by_graph(
    reference: Any,
    episodes: LabelledEpisodeBatch,
    step: Callable[[int, Any, Tensor], Any],
    importance: list[float],
) -> Tensor:
    """The outer loss with one graph of everything, task by task, whose `step` is of a learn2learn clone."""
    losses = []
    for task in range(len(episodes)):
        clone = reference.clone()
        for number, weight in enumerate(importance):
            if number:
                error = F.cross_entropy(clone(episodes.support[task]), episodes.support_labels[task])
                clone = step(number - 1, clone, error)
            if weight:
                losses.append(weight * F.cross_entropy(clone(episodes.query[task]), episodes.query_labels[task]))
    return torch.stack(losses).sum() / len(episodes)


def assert_close(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-8, atol=1e-10)


def assert_slope(learner: StepLearner, loss: Callable[[], Tensor]) -> None:
    """The gradient against central differences along a random direction.

    The step is tiny because ReLU and max-pooling switch somewhere along a longer one.
    """
    parameters = list(learner.parameters())
    gradient = gradients(loss(), parameters)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        values = []
        for sign in (1, -2, 1):  # plus, then minus, then back
            with torch.no_grad():
                for parameter, towards in zip(parameters, direction, strict=True):
                    parameter.add_(sign * 1e-8 * towards)
            values.append(loss().item())
        expected = float(sum((g * d).sum() for g, d in zip(gradient, direction, strict=True)))
        assert (values[0] - values[1]) / 2e-8 == pytest.approx(expected, rel=1e-5, abs=1e-6)
