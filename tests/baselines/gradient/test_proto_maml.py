from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from baselines.gradient.proto_maml import ProtoMAML
from episodes import FixedTask
from metabench.samples import random_episodes
from tests.baselines.gradient.double_precision import (
    assert_close,
    assert_slope,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)

OPTIONS: dict[str, Any] = {"inner_steps": 2, "inner_learning_rate": 0.1, "test_inner_steps": 2}


def by_hand(learner: ProtoMAML, support: Tensor, labels: Tensor, query: Tensor, second_order: bool = True) -> Tensor:
    """Logits after two steps of body and head, with one graph of everything from the prototypes on."""
    # Copies, as a step takes the prototypes for weights of their own: they do not move with the body.
    weights = {name: value.clone() for name, value in learner.network.named_parameters()}

    def logits(images: Tensor) -> Tensor:
        body = {name: value for name, value in weights.items() if name not in ("head", "bias")}
        return functional_call(learner.network, body, (images,)) @ weights["head"].T + weights["bias"]

    features = learner.network(support)
    means = torch.stack([features[labels == label].mean(0) for label in range(int(labels.max()) + 1)])
    weights |= {"head": 2 * means, "bias": -(means**2).sum(1)}
    for _ in range(2):
        error = F.cross_entropy(logits(support), labels)
        slopes = torch.autograd.grad(error, list(weights.values()), create_graph=second_order)
        weights = {name: value - 0.1 * slope for (name, value), slope in zip(weights.items(), slopes, strict=True)}
    return logits(query)


@pytest.mark.parametrize("first_order", [False, True])
def test_meta_gradient_goes_through_steps_and_prototypes(first_order: bool) -> None:
    learner, episodes = (
        double_learner(ProtoMAML, first_order=first_order, transductive=True, **OPTIONS),
        double_episodes(),
    )
    tasks = zip(episodes.support, episodes.support_labels, episodes.query, episodes.query_labels, strict=True)
    losses = [
        F.cross_entropy(by_hand(learner, support, labels, query, not first_order), of_query)
        for support, labels, query, of_query in tasks
    ]
    parameters = list(learner.parameters())
    ours, theirs = loss_of(learner, episodes), torch.stack(losses).mean()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-10)
    assert_close(gradients(ours, parameters), gradients(theirs, parameters))


def test_meta_gradient_equals_finite_differences_with_support_statistics() -> None:
    learner, episodes = double_learner(ProtoMAML, **OPTIONS), double_episodes()
    assert_slope(learner, lambda: loss_of(learner, episodes))


def test_before_any_step_it_classifies_as_a_prototypical_network() -> None:
    """Up to what is the same for all classes of a query, its squared norm."""
    learner, episodes = double_learner(ProtoMAML, transductive=True, **OPTIONS), double_episodes()
    features, queries = learner.network(episodes.support[1]), learner.network(episodes.query[1])
    means = torch.stack([features[episodes.support_labels[1] == label].mean(0) for label in range(3)])
    expected = torch.softmax(-(torch.cdist(queries, means) ** 2), 1)
    logits = learner.after_steps(0).classify(episodes)[1]
    torch.testing.assert_close(torch.softmax(logits, 1), expected, rtol=1e-8, atol=1e-10)


def test_tasks_of_other_ways_than_those_it_was_built_for() -> None:
    learner = double_learner(ProtoMAML, transductive=True, **OPTIONS)
    episodes = random_episodes(2, task=FixedTask(5, 2, 3))
    episodes = replace(episodes, support=episodes.support.double(), query=episodes.query.double())
    logits = learner.classify(episodes)
    assert logits.shape == (2, 15, 5)
    for task in range(2):
        expected = by_hand(learner, episodes.support[task], episodes.support_labels[task], episodes.query[task])
        torch.testing.assert_close(logits[task].detach(), expected.detach(), rtol=1e-8, atol=1e-10)
