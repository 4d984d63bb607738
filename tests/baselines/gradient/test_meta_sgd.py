from typing import Any

import pytest
import torch
from torch import nn

from baselines.gradient.meta_sgd import MetaSGD
from tests.baselines.gradient.double_precision import (
    assert_close,
    by_graph,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)


def learner_of_uneven_rates(**options: Any) -> MetaSGD:
    learner = double_learner(MetaSGD, inner_learning_rate=0.3, **options)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for rate in learner.inner_rates:
            rate.mul_(2 * torch.rand(rate.shape, generator=generator, dtype=torch.float64))
    return learner


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("inner_steps", [1, 2])
def test_gradients_of_weights_and_rates_equal_learn2learns(
    inner_steps: int, first_order: bool, learn2learn: Any
) -> None:
    learner, episodes = (
        learner_of_uneven_rates(inner_steps=inner_steps, first_order=first_order, transductive=True),
        double_episodes(),
    )
    reference = learn2learn.algorithms.MetaSGD(
        learner.network, first_order=first_order, lrs=nn.ParameterList(learner.inner_rates)
    )

    def step(_: int, clone: Any, error: torch.Tensor) -> Any:
        clone.adapt(error)
        return clone

    parameters = [*learner.network.parameters(), *learner.inner_rates]
    theirs = by_graph(reference, episodes, step, [0.0] * inner_steps + [1.0])
    assert_close(gradients(loss_of(learner, episodes), parameters), gradients(theirs, parameters))


def test_a_test_task_takes_one_step_by_the_learned_rates() -> None:
    learner, episodes = learner_of_uneven_rates(), double_episodes()
    adapted, _ = learner.adapt(episodes.support, episodes.support_labels, 3)
    logits = learner.network(episodes.support[1])
    names = [name for name, _ in learner.network.named_parameters()]
    error = nn.functional.cross_entropy(logits, episodes.support_labels[1])
    steps = torch.autograd.grad(error, list(learner.network.parameters()))
    for name, before, rate, slope in zip(names, learner.network.parameters(), learner.inner_rates, steps, strict=True):
        torch.testing.assert_close(adapted[name][1], (before - rate * slope).detach(), rtol=1e-8, atol=1e-10)
