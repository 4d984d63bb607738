"""FOMAML, ANIL and BOIL: MAML that leaves something out."""

from dataclasses import fields
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from baselines.gradient._learner import GradientLearner
from baselines.gradient.anil import ANIL
from baselines.gradient.boil import BOIL
from baselines.gradient.fomaml import FOMAML
from tests.baselines.gradient.double_precision import (
    assert_close,
    by_graph,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)

OPTIONS: dict[str, Any] = {"inner_steps": 2, "inner_learning_rate": 0.3, "transductive": True}


def parameters(learner: GradientLearner) -> list[nn.Parameter]:
    return list(learner.network.parameters())


def test_fomamls_gradient_equals_learn2learns_first_order(learn2learn: Any) -> None:
    learner, episodes = double_learner(FOMAML, **OPTIONS), double_episodes()
    reference = learn2learn.algorithms.MAML(learner.network, lr=0.3, first_order=True)

    def step(_: int, clone: Any, error: torch.Tensor) -> Any:
        clone.adapt(error)
        return clone

    theirs = by_graph(reference, episodes, step, [0.0, 0.0, 1.0])
    assert_close(gradients(loss_of(learner, episodes), parameters(learner)), gradients(theirs, parameters(learner)))
    assert "first_order" not in {item.name for item in fields(FOMAML.Options)}


@pytest.mark.parametrize("first_order", [False, True])
def test_anils_gradient_equals_that_of_learn2learns_maml_of_the_head(first_order: bool, learn2learn: Any) -> None:
    learner, episodes = double_learner(ANIL, first_order=first_order, **OPTIONS), double_episodes()
    body, head = learner.network
    losses = []
    for task in range(2):
        clone = learn2learn.algorithms.MAML(head, lr=0.3, first_order=first_order).clone()
        for _ in range(2):
            clone.adapt(F.cross_entropy(clone(body(episodes.support[task])), episodes.support_labels[task]))
        losses.append(F.cross_entropy(clone(body(episodes.query[task])), episodes.query_labels[task]))
    theirs = gradients(torch.stack(losses).mean(), parameters(learner))
    assert_close(gradients(loss_of(learner, episodes), parameters(learner)), theirs)


@pytest.mark.parametrize("first_order", [False, True])
def test_boils_gradient_equals_that_of_learn2learns_maml_of_the_body(first_order: bool, learn2learn: Any) -> None:
    learner, episodes = double_learner(BOIL, first_order=first_order, **OPTIONS), double_episodes()
    body, head = learner.network
    losses = []
    for task in range(2):
        clone = learn2learn.algorithms.MAML(body, lr=0.3, first_order=first_order).clone()
        for _ in range(2):
            clone.adapt(F.cross_entropy(head(clone(episodes.support[task])), episodes.support_labels[task]))
        losses.append(F.cross_entropy(head(clone(episodes.query[task])), episodes.query_labels[task]))
    theirs = gradients(torch.stack(losses).mean(), parameters(learner))
    assert_close(gradients(loss_of(learner, episodes), parameters(learner)), theirs)


@pytest.mark.parametrize("kind", [ANIL, BOIL])
def test_a_tasks_weights_differ_in_the_adapted_part_alone(kind: type[GradientLearner]) -> None:
    learner, episodes = double_learner(kind, **OPTIONS), double_episodes()
    adapted, _ = learner.adapt(episodes.support, episodes.support_labels, 3)
    for name, before in learner.network.named_parameters():
        is_head = name.startswith("1.")
        assert torch.equal(adapted[name][1], before) == (is_head != (kind is ANIL)), name
