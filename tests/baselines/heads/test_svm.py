import numpy as np
import pytest
import torch
from scipy.optimize import LinearConstraint, minimize
from sklearn.svm import LinearSVC
from torch import Tensor

from baselines.heads.svm import svm_dual, svm_head

UNEVEN = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def support(size: int, features: int) -> Tensor:
    return torch.randn(2, size, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("cost", [0.1, 3.0])
@pytest.mark.parametrize("features", [3, 20])
def test_weights_are_scikit_learns_with_uneven_supports(features: int, cost: float) -> None:
    """With as many free items as features, and with few."""
    given = support(7, features)
    weights = svm_head(given, UNEVEN, 3, cost)
    for task in range(2):
        fitted = LinearSVC(multi_class="crammer_singer", fit_intercept=False, C=cost, tol=1e-10, max_iter=10**6)
        expected = fitted.fit(given[task].numpy(), UNEVEN[task].numpy()).coef_.T
        torch.testing.assert_close(weights[task], torch.from_numpy(expected.copy()), rtol=1e-4, atol=1e-5)


def test_the_dual_is_that_of_a_general_solver() -> None:
    given, cost = support(7, 20), 0.3
    targets = torch.nn.functional.one_hot(UNEVEN, 3).double()
    gram = given @ given.transpose(1, 2)
    dual = svm_dual(gram, targets, cost)
    for task in range(2):
        product, wanted = np.kron(gram[task].numpy(), np.eye(3)), targets[task].numpy().ravel()
        rows = LinearConstraint(np.kron(np.eye(7), np.ones(3)), 0, 0)
        bounds = LinearConstraint(np.eye(21), -np.inf, cost * wanted)
        found = minimize(
            lambda a, product=product, wanted=wanted: a @ product @ a / 2 - wanted @ a,
            np.zeros(21),
            jac=lambda a, product=product, wanted=wanted: product @ a - wanted,
            constraints=[rows, bounds],
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        np.testing.assert_allclose(dual[task].numpy().ravel(), found.x, atol=1e-6)


def test_a_solution_is_its_own_whatever_is_beside_it() -> None:
    given = support(7, 20)
    both = svm_head(given, UNEVEN, 3, 0.1)
    for task in range(2):
        alone = svm_head(given[task : task + 1], UNEVEN[task : task + 1], 3, 0.1)
        torch.testing.assert_close(alone[0], both[task], rtol=0, atol=1e-9)


@pytest.mark.parametrize("features", [3, 20])
def test_gradients_are_those_of_the_solution(features: int) -> None:
    """Against finite differences, where some duals are at their bounds and some are not."""
    given = support(7, features).requires_grad_()
    assert torch.autograd.gradcheck(lambda given: svm_head(given, UNEVEN, 3, 0.1), given, atol=1e-5)
    assert torch.autograd.grad(svm_head(given, UNEVEN, 3, 0.1).square().sum(), given)[0].abs().sum() > 0


def test_extremes_stay_finite() -> None:
    """Alike items of other classes, items of length 0, one item a class, and float32 features of any size."""
    labels = torch.tensor([[0, 1, 2, 0]])
    for size in (1e-3, 1.0, 1e3):
        given = size * torch.tensor([[[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [3.0, 0.0]]]).requires_grad_()
        weights = svm_head(given, labels, 3, 0.1)
        assert weights.dtype == torch.float32
        assert torch.isfinite(weights).all()
        assert torch.isfinite(torch.autograd.grad(weights.sum(), given)[0]).all()
