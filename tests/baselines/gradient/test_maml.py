from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.backbones import Layers
from baselines.gradient.maml import MAML
from baselines.stacked.stack import Stack
from episodes import EpisodeBatch
from metabench.checks import build
from metabench.samples import PROBLEM, REGRESSION, TASK, random_episodes
from tests.baselines.gradient.double_precision import double_episodes


def double_learner(**options: Any) -> MAML:
    learner = build(MAML, backbone="conv4:4", inner_steps=2, inner_learning_rate=0.3, **options).double()
    assert isinstance(learner, MAML)
    return learner


def meta_gradient(learner: MAML, episodes: EpisodeBatch) -> list[Tensor]:
    learner.zero_grad()
    for part in learner.loss(episodes):
        part.backward()
    return [parameter.grad.clone() for parameter in learner.parameters() if parameter.grad is not None]


@pytest.mark.parametrize("first_order", [False, True])
def test_meta_gradient_equals_learn2learns(first_order: bool, learn2learn: Any) -> None:
    episodes = double_episodes()
    learner = double_learner(transductive=True, first_order=first_order)
    ours = meta_gradient(learner, episodes)
    learner.zero_grad()
    reference = learn2learn.algorithms.MAML(learner.network, lr=0.3, first_order=first_order)
    for number in range(len(episodes)):
        clone = reference.clone()
        for _ in range(2):
            clone.adapt(F.cross_entropy(clone(episodes.support[number]), episodes.support_labels[number]))
        loss = F.cross_entropy(clone(episodes.query[number]), episodes.query_labels[number])
        (loss / len(episodes)).backward()
    theirs = [parameter.grad for parameter in learner.network.parameters()]
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our, their, rtol=1e-8, atol=1e-10)


def double_regression(**options: Any) -> tuple[MAML, EpisodeBatch]:
    """A learner for sinusoids with the paper's network, and four of them."""
    learner = build(MAML, problem=REGRESSION, **{**MAML.presets["sinusoid"], **options}).double()
    assert isinstance(learner, MAML)
    episodes = random_episodes(4, task=REGRESSION.task)
    names = ("support", "support_labels", "query", "query_labels")
    return learner, replace(episodes, **{name: getattr(episodes, name).double() for name in names})


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("inner_steps", [0, 1, 3])
def test_meta_gradient_on_sinusoids_equals_learn2learns(first_order: bool, inner_steps: int, learn2learn: Any) -> None:
    """All tasks in one call, against task by task."""
    learner, episodes = double_regression(inner_steps=inner_steps, first_order=first_order)
    loss = torch.stack(list(learner.loss(episodes))).sum()
    ours = torch.autograd.grad(loss, list(learner.parameters()))
    reference = learn2learn.algorithms.MAML(learner.network, lr=0.01, first_order=first_order)
    losses = []
    for number in range(len(episodes)):
        clone = reference.clone()
        for _ in range(inner_steps):
            clone.adapt(F.mse_loss(clone(episodes.support[number]), episodes.support_labels[number, :, None]))
        losses.append(F.mse_loss(clone(episodes.query[number]), episodes.query_labels[number, :, None]))
    torch.stack(losses).mean().backward()
    assert loss.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-10)
    for our, parameter in zip(ours, learner.network.parameters(), strict=True):
        torch.testing.assert_close(our, parameter.grad, rtol=1e-8, atol=1e-10)


def test_adapted_predictions_on_sinusoids_equal_learn2learns(learn2learn: Any) -> None:
    learner, episodes = double_regression(test_inner_steps=10)
    clone = learn2learn.algorithms.MAML(learner.network, lr=0.01).clone()
    for _ in range(10):
        clone.adapt(F.mse_loss(clone(episodes.support[2]), episodes.support_labels[2, :, None]))
    torch.testing.assert_close(learner.classify(episodes)[2], clone(episodes.query[2]).detach())


def test_functions_are_answered_alike_one_at_a_time_and_all_at_once() -> None:
    learner, episodes = double_regression()
    alone = [
        learner.predict(learner.adapt(episodes.support[one], episodes.support_labels[one], 1), episodes.query[one])
        for one in (slice(number, number + 1) for number in range(len(episodes)))
    ]
    torch.testing.assert_close(learner.classify(episodes), torch.cat(alone), rtol=1e-10, atol=1e-12)


def test_training_shots_are_the_test_tasks_unless_given() -> None:
    assert build(MAML).stages()[0].data.task.shots == TASK.shots  # type: ignore[union-attr]
    assert build(MAML, train_shots=7).stages()[0].data.task.shots == 7  # type: ignore[union-attr]


def test_meta_gradient_equals_finite_differences_with_support_statistics() -> None:
    """The default, non-transductive way, against central differences in float64 along random directions.

    The step is tiny because ReLU and max-pooling switch somewhere along a longer one.
    """
    episodes, learner = double_episodes(), double_learner()
    gradient = meta_gradient(learner, episodes)
    parameters = list(learner.parameters())
    generator = torch.Generator().manual_seed(0)

    def loss() -> float:
        return float(sum(part.item() for part in learner.loss(episodes)))

    for _ in range(3):
        direction = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        with torch.no_grad():
            values = []
            for sign in (1, -2, 1):  # plus, then minus, then back
                for parameter, step in zip(parameters, direction, strict=True):
                    parameter.add_(sign * 1e-8 * step)
                values.append(loss())
        slope = (values[0] - values[1]) / 2e-8
        expected = float(sum((g * d).sum() for g, d in zip(gradient, direction, strict=True)))
        assert slope == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_first_order_differs_from_second() -> None:
    episodes = double_episodes()
    first = meta_gradient(double_learner(first_order=True), episodes)
    second = meta_gradient(double_learner(), episodes)
    assert max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True)) > 1e-4


def test_one_inner_step_by_hand() -> None:
    """Equation 1 on a network of one weight: w' = w - rate * d/dw of the support's cross-entropy."""
    learner = double_learner(test_inner_steps=1)
    learner.network = Layers(nn.Flatten(), nn.Linear(784, 3, bias=False)).double()
    learner.stack = Stack(learner.network, PROBLEM.image_shape)
    episodes = double_episodes()
    weight = learner.network[1].weight.detach()
    images, labels = episodes.support[0].flatten(1), episodes.support_labels[0]
    error = torch.softmax(images @ weight.T, 1) - F.one_hot(labels, TASK.ways)
    adapted = weight - 0.3 * error.T @ images / len(images)
    expected = episodes.query[0].flatten(1) @ adapted.T
    torch.testing.assert_close(learner.classify(episodes)[0].detach(), expected)


def test_number_of_inner_steps_differs_between_training_and_test() -> None:
    learner, episodes = double_learner(test_inner_steps=4), double_episodes()
    given = (learner.start(episodes.support, episodes.support_labels, 3), episodes.support, episodes.support_labels)
    adapted, _ = learner.adapt(*given[1:], 3)
    two, four = (learner.inner_loop().adapt(*given, learner.rates(steps)) for steps in (2, 4))
    name = next(iter(adapted))
    assert torch.equal(adapted[name], four[name])
    assert not torch.equal(adapted[name], two[name])


def test_after_other_steps_it_answers_as_one_that_was_built_for_them() -> None:
    learner, episodes = double_regression()
    predictions = learner.classify(episodes)
    torch.testing.assert_close(learner.after_steps(0).classify(episodes)[2], learner.network(episodes.query[2]))
    built, _ = double_regression(test_inner_steps=4)
    assert torch.equal(learner.after_steps(4).classify(episodes), built.classify(episodes))
    assert torch.equal(learner.classify(episodes), predictions)


def test_permuting_the_heads_rows_with_the_labels_permutes_the_predictions() -> None:
    learner, episodes = double_learner(), double_episodes()
    before = learner.classify(episodes).detach()
    renamed = torch.tensor([2, 0, 1])
    head = learner.network[-1]
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.weight[renamed] = head.weight.clone()
        head.bias[renamed] = head.bias.clone()
    after = learner.classify(replace(episodes, support_labels=renamed[episodes.support_labels])).detach()
    torch.testing.assert_close(after[..., renamed], before)
