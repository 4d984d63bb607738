import math

import pytest
import torch

from baselines.metric.matchingnet import MatchingNet
from metabench.checks import build
from metabench.learner import EpisodeFeatures


def test_predictions_are_equation_1_by_hand() -> None:
    """A support of two items of class 0 and one of class 1, at cosines 1, 0 and -1 from the query."""
    support = torch.tensor([[[2.0, 0.0], [0.0, 5.0], [-3.0, 0.0]]])
    labels, query = torch.tensor([[0, 0, 1]]), torch.tensor([[[7.0, 0.0]]])
    learner = build(MatchingNet, scale=1.0)
    assert isinstance(learner, MatchingNet)
    logits = learner.classify_features(EpisodeFeatures(support, labels, query, 2))
    total = math.e + 1 + 1 / math.e
    expected = [(math.e + 1) / total, 1 / math.e / total]
    assert logits.exp().flatten().tolist() == pytest.approx(expected, rel=1e-6)


def test_uneven_supports_item_by_item() -> None:
    generator = torch.Generator().manual_seed(0)
    support, query = (torch.randn(2, size, 6, generator=generator, dtype=torch.float64) for size in (7, 4))
    labels = torch.tensor([[0, 1, 1, 2, 2, 2, 2], [2, 1, 0, 0, 0, 0, 1]])
    learner = build(MatchingNet, scale=3.0)
    assert isinstance(learner, MatchingNet)
    logits = learner.classify_features(EpisodeFeatures(support, labels, query, 3))
    for task in range(2):
        for asked in range(4):
            weights = [
                math.exp(3 * float(torch.cosine_similarity(query[task, asked], item, dim=0))) for item in support[task]
            ]
            shares = [0.0] * 3
            for label, weight in zip(labels[task].tolist(), weights, strict=True):
                shares[label] += weight / sum(weights)
            assert logits[task, asked].exp().tolist() == pytest.approx(shares)


def test_extremes_stay_finite_and_have_gradients() -> None:
    support = torch.tensor([[[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]], requires_grad=True)
    learner = build(MatchingNet, scale=1000.0)
    assert isinstance(learner, MatchingNet)
    query = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    logits = learner.classify_features(EpisodeFeatures(support, torch.tensor([[0, 1, 2]]), query, 4))
    assert torch.isfinite(logits).all()
    assert logits.argmax(2)[0, 0] == 0
    logits.sum().backward()
    assert torch.isfinite(support.grad).all()  # type: ignore[arg-type]
