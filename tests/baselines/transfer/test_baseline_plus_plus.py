import pytest
import torch
from torch import Tensor

from baselines.transfer.baseline_plus_plus import BaselinePlusPlus, CosineHead
from metabench.checks import build
from metabench.learner import EpisodeFeatures, LabelledBatch

LABELS = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])


def made(**options: float) -> BaselinePlusPlus:
    learner = build(BaselinePlusPlus, **options).double()
    assert isinstance(learner, BaselinePlusPlus)
    return learner


def features() -> EpisodeFeatures:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 6, generator=generator, dtype=torch.float64) for size in (7, 4))
    return EpisodeFeatures(support, LABELS, query, 3)


def by_hand(support: Tensor, labels: Tensor, query: Tensor, steps: int, rate: float, scale: float) -> Tensor:
    """One task: the gradient of a cosine written out, and the update with momentum and dampening of 0.9."""
    weight = torch.stack([support[labels == way].mean(0) for way in range(3)])
    weight = weight / weight.norm(dim=1, keepdim=True)
    unit = support / support.norm(dim=1, keepdim=True)
    momentum = None
    for _ in range(steps):
        lengths = weight.norm(dim=1, keepdim=True)
        directions = weight / lengths
        cosines = unit @ directions.T
        errors = torch.softmax(scale * cosines, dim=1) - torch.nn.functional.one_hot(labels, 3)
        slopes = scale * errors / len(labels)
        gradient = (slopes.T @ unit - (slopes * cosines).sum(0)[:, None] * directions) / lengths + 1e-3 * weight
        momentum = gradient if momentum is None else 0.9 * momentum + 0.1 * gradient
        weight = weight - rate * momentum
    return scale * (query / query.norm(dim=1, keepdim=True)) @ (weight / weight.norm(dim=1, keepdim=True)).T


def test_fine_tuning_of_uneven_supports_by_hand() -> None:
    given = features()
    logits = made(tuning_steps=7, tuning_rate=0.5, scale=4.0).classify_features(given)
    for task in range(2):
        expected = by_hand(given.support[task], LABELS[task], given.query[task], steps=7, rate=0.5, scale=4.0)
        torch.testing.assert_close(logits[task], expected)


def test_without_gradients_and_after_other_steps_it_is_the_same() -> None:
    given = features()
    learner = made(tuning_steps=3)
    with torch.no_grad():
        assert torch.equal(learner.classify_features(given), learner.classify_features(given))
        later = learner.after_steps(40).classify_features(given)
    torch.testing.assert_close(later, made(tuning_steps=40).classify_features(given))
    assert not torch.allclose(later, learner.classify_features(given))


def test_pretraining_compares_by_cosine() -> None:
    learner = made(scale=5.0)
    batch = LabelledBatch(torch.rand(4, 1, 28, 28).double(), torch.tensor([0, 5, 3, 3]))
    found = learner.backbone(batch.images)
    cosines = torch.cosine_similarity(found[:, None], learner.head.weight[None], dim=2)
    expected = -torch.log_softmax(5 * cosines, 1)[range(4), batch.labels].mean()
    torch.testing.assert_close(learner.loss(batch), expected)


def test_the_head_begins_with_vectors_as_long_as_those_of_the_papers_code() -> None:
    """Those of torch's linear layer: entries are uniform up to 1 / sqrt(D), so that lengths are near 1 / sqrt(3)."""
    torch.manual_seed(0)
    lengths = CosineHead(400, 1000, 10.0).weight.norm(dim=1)
    theirs = torch.nn.Linear(400, 1000).weight.norm(dim=1)
    assert lengths.mean().item() == pytest.approx(theirs.mean().item(), rel=0.01)
    assert lengths.mean().item() == pytest.approx(3**-0.5, rel=0.01)
