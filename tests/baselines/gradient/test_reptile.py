from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from baselines.gradient.maml import MAML
from baselines.gradient.reptile import Reptile
from tests.baselines.gradient.double_precision import (
    assert_close,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)


def learner_of(inner_steps: int, inner_batch: int, **options: Any) -> Reptile:
    return double_learner(Reptile, inner_steps=inner_steps, inner_batch=inner_batch, inner_learning_rate=0.2, **options)


def test_the_gradient_is_the_mean_way_back_from_the_tasks_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Algorithm 2 with torch's own SGD, on minibatches that differ by task and step."""
    learner, episodes = learner_of(3, 4), double_episodes()
    chosen = torch.tensor([[[0, 1, 2, 3], [5, 1, 4, 2]], [[4, 5, 1, 0], [0, 3, 2, 1]], [[5, 3, 0, 2], [4, 5, 3, 0]]])
    monkeypatch.setattr(learner, "minibatches", lambda tasks, images: chosen)
    before = dict(learner.network.named_parameters())
    ways_back, distance = [torch.zeros_like(weight) for weight in before.values()], 0.0
    for task in range(2):
        weights = {name: weight.detach().clone().requires_grad_() for name, weight in before.items()}
        optimizer = torch.optim.SGD(list(weights.values()), lr=0.2)
        for of_step in chosen:
            optimizer.zero_grad()
            logits = functional_call(learner.network, weights, (episodes.support[task][of_step[task]],))
            F.cross_entropy(logits, episodes.support_labels[task][of_step[task]]).backward()
            optimizer.step()
        for total, start, end in zip(ways_back, before.values(), weights.values(), strict=True):
            total += (start - end).detach() / 2
            distance += float((start - end).detach().square().sum()) / 4
    loss = loss_of(learner, episodes)
    assert loss.item() == pytest.approx(distance, rel=1e-10)
    assert_close(gradients(loss, list(before.values())), ways_back)


def test_one_step_on_everything_is_training_on_all_tasks_alike() -> None:
    """Section 3: with k = 1 the gradient is the inner rate times that of the mean loss."""
    learner, episodes = learner_of(1, 100), double_episodes()
    joint = double_learner(MAML, inner_steps=1)
    joint.load_state_dict(learner.state_dict())
    errors = [
        F.cross_entropy(joint.network(images), labels)
        for images, labels in zip(episodes.support, episodes.support_labels, strict=True)
    ]
    expected = [0.2 * each for each in gradients(torch.stack(errors).mean(), list(joint.parameters()))]
    assert_close(gradients(loss_of(learner, episodes), list(learner.parameters())), expected)


def test_minibatches_use_each_image_once_before_any_again() -> None:
    chosen = learner_of(5, 4).minibatches(3, 10)
    assert chosen.shape == (5, 3, 4)
    for task in range(3):
        order = chosen[:, task].flatten()
        assert sorted(order[:10].tolist()) == list(range(10))
        assert sorted(order[10:].tolist()) == list(range(10))
    assert not torch.equal(chosen[:, 0], chosen[:, 1])
    assert learner_of(2, 100).minibatches(3, 10).sort(-1).values.eq(torch.arange(10)).all()
