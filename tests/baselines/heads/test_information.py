import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from scipy.special import log_softmax
from scipy.stats import entropy as scipys_entropy

from baselines.heads.information import descended, entropy, information_loss, log_shares

GENERATOR = torch.Generator().manual_seed(0)
LOGS = torch.log_softmax(2 * torch.randn(2, 6, 4, generator=GENERATOR, dtype=torch.float64), dim=2)


def test_log_shares_are_a_softmax_of_scipys_distances() -> None:
    features, centres = (torch.randn(2, size, 5, generator=GENERATOR, dtype=torch.float64) for size in (6, 3))
    for task in range(2):
        expected = log_softmax(-1.5 * cdist(features[task], centres[task], "sqeuclidean"), axis=1)
        np.testing.assert_allclose(log_shares(features, centres, 3.0)[task], expected)


def test_entropies_are_scipys_and_tsalliss() -> None:
    chances = LOGS.exp().numpy()
    np.testing.assert_allclose(entropy(LOGS), scipys_entropy(chances, axis=2))
    np.testing.assert_allclose(entropy(LOGS, 3.0), (1 - (chances**3).sum(2)) / 2)
    np.testing.assert_allclose(entropy(LOGS, 0.5), (1 - np.sqrt(chances).sum(2)) / -0.5)


def test_tsalliss_entropy_tends_to_shannons_in_float32_too() -> None:
    torch.testing.assert_close(entropy(LOGS.float(), 1 + 1e-6), entropy(LOGS.float()), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("order", "slope"), [(1.0, math.log(9)), (2.0, 2 * 0.8), (5.0, 1.25 * (0.9**4 - 0.1**4))])
def test_a_high_order_pulls_an_uneven_mean_less_towards_even(order: float, slope: float) -> None:
    """From 0.9 and 0.1, by the derivative worked by hand."""
    chance = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    entropy(torch.stack([1 - chance, chance]).log(), order).backward()  # type: ignore[no-untyped-call]
    assert chance.grad is not None
    assert chance.grad.item() == pytest.approx(slope)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0])
def test_certain_predictions_have_no_entropy_and_finite_gradients(order: float) -> None:
    logits = torch.tensor([[200.0, 0.0]], requires_grad=True)
    found = entropy(torch.log_softmax(logits, dim=1), order)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


def test_the_loss_by_hand() -> None:
    support, labels = LOGS[:, :3], torch.tensor([[0, 3, 1], [2, 2, 0]])
    found = information_loss(support, labels, LOGS, (0.3, 1.2, 0.7), order=2.0)
    for task in range(2):
        chances = LOGS[task].exp().numpy()
        surprise = -np.mean([support[task, row, way] for row, way in enumerate(labels[task].tolist())])
        marginal = 1 - (chances.mean(0) ** 2).sum()
        each = (1 - (chances**2).sum(1)).mean()
        assert found[task].item() == pytest.approx(0.3 * surprise - 1.2 * marginal + 0.7 * each)


def test_descent_finds_a_minimum_without_gradients_on() -> None:
    with torch.no_grad():
        found = descended(torch.zeros(2, 3), lambda at: (at - 1).square().sum(1), 400, 0.05)
    torch.testing.assert_close(found, torch.ones(2, 3), atol=1e-2, rtol=0)


def test_descent_leaves_alone_what_the_loss_is_of() -> None:
    given = torch.ones(2, 3, requires_grad=True)
    descended(torch.zeros(2, 3), lambda at, known=2 * given: (at - known).square().sum(1), 3, 0.1)
    assert given.grad is None
