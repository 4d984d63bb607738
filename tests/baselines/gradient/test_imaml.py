from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from baselines.gradient._conjugate_gradient import conjugate_gradient
from baselines.gradient.imaml import IMAML
from episodes.episode import LabelledEpisodeBatch
from metabench.samples import REGRESSION, random_episodes
from tests.baselines.gradient.double_precision import (
    assert_close,
    assert_slope,
    double_episodes,
    double_learner,
    gradients,
    loss_of,
)


def test_conjugate_gradients_solve_two_systems_as_torch_does() -> None:
    """The second has solved itself after one step, the first after as many as it has numbers."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(2, 5, 5, generator=generator, dtype=torch.float64)
    matrices = root @ root.transpose(1, 2) + torch.eye(5, dtype=torch.float64)
    matrices[1] = 4 * torch.eye(5, dtype=torch.float64)
    target = torch.randn(2, 5, generator=generator, dtype=torch.float64)

    def product(vector: dict[str, Tensor]) -> dict[str, Tensor]:
        joined = torch.cat([vector["a"].flatten(1), vector["b"]], 1)
        out = torch.einsum("tij,tj->ti", matrices, joined)
        return {"a": out[:, :4].view(2, 2, 2), "b": out[:, 4:]}

    solved = conjugate_gradient(product, {"a": target[:, :4].view(2, 2, 2), "b": target[:, 4:]}, 5)
    found = torch.cat([solved["a"].flatten(1), solved["b"]], 1)
    torch.testing.assert_close(found, torch.linalg.solve(matrices, target), rtol=1e-8, atol=1e-10)


def sinusoids(**options: Any) -> tuple[IMAML, LabelledEpisodeBatch]:
    """A learner with a tiny network, and two sinusoids."""
    given = {"inner_learning_rate": 0.05, "inner_steps": 3, "proximity": 3.0, "damping": 0.0, **options}
    learner = double_learner(IMAML, REGRESSION, "mlp:4", **given)
    episodes = random_episodes(2, task=REGRESSION.task)
    names = ("support", "support_labels", "query", "query_labels")
    return learner, replace(episodes, **{name: getattr(episodes, name).double() for name in names})


def error_of(learner: IMAML, flat: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
    names, shapes = zip(*((name, value.shape) for name, value in learner.network.named_parameters()), strict=True)
    parts = torch.split(flat, [shape.numel() for shape in shapes])
    weights = {name: part.view(shape) for name, part, shape in zip(names, parts, shapes, strict=True)}
    return F.mse_loss(functional_call(learner.network, weights, (inputs,))[:, 0], labels)


@pytest.mark.parametrize("damping", [0.0, 5.0])
def test_the_gradient_is_the_dense_solution_after_proximal_steps(damping: float) -> None:
    """Equation 3 and lemma 1, with the whole Hessian; damping counts in the linear system alone."""
    learner, episodes = sinusoids(cg_steps=60, damping=damping)
    start = torch.cat([weight.detach().flatten() for weight in learner.network.parameters()])
    value, gradient = torch.zeros((), dtype=torch.float64), torch.zeros_like(start)
    for task in range(2):
        support = (episodes.support[task], episodes.support_labels[task])
        flat = start.clone()
        for _ in range(3):
            leaf = flat.clone().requires_grad_()
            penalty = 3.0 / 2 * (leaf - start).square().sum()
            flat = flat - 0.05 * torch.autograd.grad(error_of(learner, leaf, *support) + penalty, leaf)[0]
        hessian = torch.autograd.functional.hessian(lambda w, s=support: error_of(learner, w, *s), flat)
        leaf = flat.clone().requires_grad_()
        loss = error_of(learner, leaf, episodes.query[task], episodes.query_labels[task])
        slope = torch.autograd.grad(loss, leaf)[0]
        value += loss.detach() / 2
        gradient += torch.linalg.solve(torch.eye(len(flat), dtype=torch.float64) + hessian / (3.0 + damping), slope) / 2
    ours = loss_of(learner, episodes)
    assert ours.item() == pytest.approx(value.item(), rel=1e-10)
    found = torch.cat([each.flatten() for each in gradients(ours, list(learner.parameters()))])
    torch.testing.assert_close(found, gradient, rtol=1e-6, atol=1e-8)


def test_at_the_minimum_it_is_the_slope_of_the_loss() -> None:
    """Lemma 1: of the solution itself, whatever led to it, against finite differences."""
    learner, episodes = sinusoids(inner_steps=100, inner_learning_rate=0.02, proximity=30.0, cg_steps=60)
    assert_slope(learner, lambda: loss_of(learner, episodes))


def test_fewer_steps_of_conjugate_gradients_are_another_gradient() -> None:
    (few, episodes), (many, _) = sinusoids(cg_steps=1), sinusoids(cg_steps=60)
    pairs = zip(*(gradients(loss_of(each, episodes), list(each.parameters())) for each in (few, many)), strict=True)
    assert max(float((a - b).abs().max()) for a, b in pairs) > 1e-6


def test_a_penalty_without_bounds_leaves_first_order_gradients_at_the_start() -> None:
    """With λ to infinity tasks stay at the initial weights, and nothing comes between the query loss and these."""
    learner = double_learner(
        IMAML, proximity=1e10, inner_learning_rate=1e-12, inner_steps=1, cg_steps=1, transductive=True
    )
    episodes = double_episodes()
    errors = [
        F.cross_entropy(learner.network(images), labels)
        for images, labels in zip(episodes.query, episodes.query_labels, strict=True)
    ]
    parameters = list(learner.parameters())
    assert_close(gradients(loss_of(learner, episodes), parameters), gradients(torch.stack(errors).mean(), parameters))


def test_test_tasks_stay_near_the_initial_weights() -> None:
    """A test task's weights are those of the steps in training."""
    learner, episodes = sinusoids()
    start = learner.start(episodes.support, episodes.support_labels, 1)
    expected = learner.near(start, episodes.support, episodes.support_labels, 3)
    adapted, _ = learner.adapt(episodes.support, episodes.support_labels, 1)
    assert_close(list(adapted.values()), list(expected.values()))
