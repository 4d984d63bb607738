import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from baselines.heads import logistic
from baselines.heads.logistic import logistic_head


def tasks(count: int, ways: int, shots: int, features: int, queries: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Supports, labels and queries of unit length, the classes well mixed."""
    generator = torch.Generator().manual_seed(0)
    items = torch.randn(count, ways, 1, features, generator=generator)
    items = items + 1.5 * torch.randn(count, ways, shots + queries, features, generator=generator)
    items = torch.nn.functional.normalize(items, dim=3)
    labels = torch.arange(ways).repeat_interleave(shots).expand(count, -1)
    return items[:, :, :shots].flatten(1, 2), labels, items[:, :, shots:].flatten(1, 2)


def probabilities(support: Tensor, labels: Tensor, query: Tensor, ways: int, penalty: float) -> Tensor:
    weight, bias = logistic_head(support, labels, ways, penalty)
    assert weight.dtype == bias.dtype == support.dtype
    return torch.softmax(query @ weight + bias, dim=2)


def assert_scikit_learns(support: Tensor, labels: Tensor, query: Tensor, ways: int, penalty: float) -> None:
    """Of each task, to 1e-4 of a probability, by Newton steps: its L-BFGS ends 2e-4 off where features are large."""
    found = probabilities(support, labels, query, ways, penalty)
    for task, (features, numbers) in enumerate(zip(support.double(), labels, strict=True)):
        # scikit-learn's C is of the sum over items, not of their mean; of two classes it penalises the difference.
        half = 0.5 if ways > 2 and len(numbers.unique()) == 2 else 1
        inverse = 1 / (half * penalty * len(numbers))
        fitted = LogisticRegression(C=inverse, solver="newton-cg", max_iter=10_000, tol=1e-8).fit(features, numbers)
        expected = np.zeros((query.shape[1], ways))
        expected[:, fitted.classes_] = fitted.predict_proba(query[task].double().numpy())
        np.testing.assert_allclose(found[task].numpy(), expected, atol=1e-4)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize("penalty", [1.0, 0.01, 1e-4])
@pytest.mark.parametrize(
    ("count", "ways", "shots", "features"),
    [(4, 5, 1, 64), (4, 5, 5, 64), (3, 5, 5, 640), (3, 5, 20, 16), (2, 20, 5, 100), (2, 2, 1, 3)],
)
def test_probabilities_are_scikit_learns(count: int, ways: int, shots: int, features: int, penalty: float) -> None:
    """With fewer items than features, as many, and more."""
    assert_scikit_learns(*tasks(count, ways, shots, features), ways, penalty)


def test_they_are_of_all_classes_at_once_too() -> None:
    assert_scikit_learns(*tasks(1, 77, 10, 384, queries=2), 77, 0.01)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
@pytest.mark.parametrize("features", [4, 30])
def test_supports_may_be_uneven_and_lack_a_class(features: int) -> None:
    support, _, query = tasks(3, 4, 2, features)
    labels = torch.tensor([[0, 0, 0, 0, 0, 1, 2, 3], [3, 1, 1, 3, 3, 1, 1, 1], [2, 2, 0, 2, 2, 0, 0, 2]])
    assert_scikit_learns(support, labels, query, 4, 0.01)


def test_of_one_class_all_are_of_it() -> None:
    support, _, query = tasks(1, 2, 2, 8)
    found = probabilities(support, torch.ones(1, 4, dtype=torch.int64), query, 3, 0.1)
    torch.testing.assert_close(found, torch.tensor([0.0, 1.0, 0.0]).expand_as(found))


@pytest.mark.parametrize("features", [3, 40])
def test_copies_and_contradictions(features: int) -> None:
    """Items that occur several times, some of them under two labels, and one that is 0 throughout."""
    support, labels, query = tasks(2, 3, 4, features)
    support[:, 1], support[:, 5], support[:, 9], support[:, 11] = support[:, 0], support[:, 0], support[:, 8], 0
    assert_scikit_learns(support, labels, query, 3, 0.01)
    alike = support[:, :1].expand_as(support)
    torch.testing.assert_close(probabilities(alike, labels, query, 3, 0.01), torch.full((2, 15, 3), 1 / 3))


@pytest.mark.parametrize("size", [1e-3, 30.0])
def test_features_may_be_small_or_large(size: float) -> None:
    support, labels, query = tasks(3, 5, 3, 20)
    assert_scikit_learns(size * support, labels, size * query, 5, 0.01)


@pytest.mark.filterwarnings("ignore:The number of unique classes")
def test_nearly_without_a_penalty_few_steps_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the digits of float64, where rounding in a direction without a slope would take hundreds."""
    support, labels, query = tasks(4, 5, 1, 64)
    monkeypatch.setitem(logistic.MOST_STEPS, torch.float64, 40)
    assert_scikit_learns(support, labels, query, 5, 1e-5)


@pytest.mark.parametrize("features", [10, 64])
def test_moving_all_features_changes_nothing(features: int) -> None:
    support, labels, query = (part.double() if part.is_floating_point() else part for part in tasks(3, 5, 3, features))
    expected = probabilities(support, labels, query, 5, 0.01)
    torch.testing.assert_close(probabilities(support + 50, labels, query + 50, 5, 0.01), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("features", [10, 64])
def test_a_task_that_is_done_stands_still_while_another_goes_on(features: int) -> None:
    """Beside one whose features are a hundred times as large, which takes many times as many steps."""
    support, labels, _ = tasks(6, 5, 5, features)
    weight, bias = logistic_head(support, labels, 5, 0.01)
    support[2] *= 100
    beside = logistic_head(support, labels, 5, 0.01)
    others = [0, 1, 3, 4, 5]
    assert torch.equal(beside[0][others], weight[others])
    assert torch.equal(beside[1][others], bias[others])


@pytest.mark.parametrize("features", [10, 64])
def test_a_task_is_solved_alike_alone(features: int) -> None:
    support, labels, _ = tasks(6, 5, 5, features)
    weight, bias = logistic_head(support, labels, 5, 0.01)
    for task in range(6):
        alone = logistic_head(support[task : task + 1], labels[task : task + 1], 5, 0.01)
        torch.testing.assert_close(weight[task], alone[0][0], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(bias[task], alone[1][0], rtol=1e-3, atol=1e-4)


def test_tasks_are_fitted_in_blocks_of_what_a_cache_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    support, labels, _ = tasks(7, 5, 2, 16)
    whole = logistic_head(support, labels, 5, 0.01)
    monkeypatch.setattr(logistic, "AT_ONCE", {"cpu": 3 * 5 * 10})
    for found, expected in zip(logistic_head(support, labels, 5, 0.01), whole, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_gradient_is_0() -> None:
    """By the loss as it is written, in float64."""
    support, labels, _ = tasks(3, 4, 6, 10)
    support = support.double()
    weight, bias = (part.requires_grad_() for part in logistic_head(support, labels, 4, 0.02))
    logits = (support @ weight + bias).flatten(0, 1)
    loss = torch.nn.functional.cross_entropy(logits, labels.flatten(), reduction="sum") / labels.shape[1]
    gradients = torch.autograd.grad(loss + 0.01 * weight.square().sum(), (weight, bias))
    assert max(float(gradient.abs().max()) for gradient in gradients) < 2e-5
