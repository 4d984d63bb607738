import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from torch import Tensor

from baselines.closed_form.r2d2 import R2D2
from metabench.checks import build
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes


def learner(**options: float) -> R2D2:
    made = build(R2D2, backbone="conv4:4", **options).double()
    assert isinstance(made, R2D2)
    return made


def test_logits_are_scikit_learns_ridge_regression_with_uneven_supports() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 20, generator=generator, dtype=torch.float64) for size in (7, 4))
    labels = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])
    logits = learner(ridge=0.3, scale=4.0).classify_features(EpisodeFeatures(support, labels, query, 3)).detach()
    for task in range(2):
        fitted = Ridge(alpha=0.3).fit(support[task], F.one_hot(labels[task], 3))
        expected = 4 * torch.from_numpy(fitted.predict(query[task]))
        torch.testing.assert_close(logits[task], expected, rtol=1e-6, atol=1e-6)  # its scale is a float32


def test_gradients_go_through_the_solution() -> None:
    """To features, penalty and scale, against finite differences."""
    made, generator = learner(), torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 3, generator=generator, dtype=torch.float64) for size in (5, 2))
    labels = torch.tensor([[0, 1, 1, 0, 2], [2, 1, 0, 0, 1]])

    def logits(support: Tensor, query: Tensor, log_ridge: Tensor, log_scale: Tensor) -> Tensor:
        weights = {"log_ridge": log_ridge, "log_scale": log_scale}
        features = EpisodeFeatures(support, labels, query, 3)
        return torch.func.functional_call(
            _Head(made), {f"of.{name}": value for name, value in weights.items()}, features
        )

    inputs = [
        part.requires_grad_() for part in (support, query, torch.tensor(0.2).double(), torch.tensor(1.0).double())
    ]
    assert torch.autograd.gradcheck(logits, inputs)


class _Head(torch.nn.Module):
    def __init__(self, of: R2D2) -> None:
        super().__init__()
        self.of = of

    def forward(self, features: EpisodeFeatures) -> Tensor:
        return self.of.classify_features(features)


def test_training_reaches_the_embedding_and_both_numbers() -> None:
    made = learner().float().train()
    made.loss(random_episodes()).backward()
    for parameter in (made.log_ridge, made.log_scale, next(made.backbone.parameters())):
        assert float(parameter.grad.abs().sum()) > 0  # type: ignore[union-attr]


def test_mixed_precision_solves_in_float32() -> None:
    made, episodes = learner().float(), random_episodes()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = made.loss(episodes)
    assert abs(mixed.item() - made.loss(episodes).item()) < 0.1
