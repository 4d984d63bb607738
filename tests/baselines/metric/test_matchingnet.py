import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from baselines.metric.matchingnet import FullContext, MatchingNet
from metabench.checks import build, check_learner
from metabench.learner import EpisodeFeatures
from metabench.samples import random_episodes


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


Array = NDArray[np.float64]


def lstm(weights: nn.Module, suffix: str, given: Array, hidden: Array, cell: Array) -> tuple[Array, Array]:
    """One step by hand: the gates are torch's, input, forget, cell and output."""
    names = [f"{name}{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    of_input, of_hidden, first, second = (getattr(weights, name).detach().numpy() for name in names)
    enter, forget, new, leave = np.split(of_input @ given + of_hidden @ hidden + first + second, 4)
    cell = cell / (1 + np.exp(-forget)) + np.tanh(new) / (1 + np.exp(-enter))
    return np.tanh(cell) / (1 + np.exp(-leave)), cell


def test_full_context_embeddings_are_those_of_the_appendix_by_hand() -> None:
    torch.manual_seed(0)
    layer = FullContext(4, reads=3).double()
    support, query = torch.randn(2, 5, 4).double(), torch.randn(2, 3, 4).double()
    found_support, found_query = layer(support, query)
    for task in range(2):
        items = support[task].numpy()
        order, zero = np.argsort(items @ [0, 1 / 3, 2 / 3, 1]), np.zeros(4)
        known = items.copy()
        for suffix, direction in (("_l0", order), ("_l0_reverse", order[::-1])):
            hidden, cell = zero, zero
            for item in direction:
                hidden, cell = lstm(layer.of_support, suffix, items[item], hidden, cell)
                known[item] += hidden
        np.testing.assert_allclose(found_support[task].detach().numpy(), known)
        for asked in range(3):
            hidden, cell, own = zero, zero, query[task, asked].numpy()
            for _ in range(3):
                attention = np.exp(known @ hidden)
                read = attention / attention.sum() @ known
                hidden, cell = lstm(layer.of_query, "", np.concatenate([own, read]), hidden, cell)
                hidden = hidden + own
            np.testing.assert_allclose(found_query[task, asked].detach().numpy(), hidden)


def test_context_keeps_the_contract() -> None:
    """The order of the support and the names of labels make no difference there either."""
    check_learner(MatchingNet, context=True)


def test_context_changes_predictions_and_is_trained() -> None:
    learner, episodes = build(MatchingNet, backbone="conv4:4", context=True, reads=2).train(), random_episodes()
    assert isinstance(learner, MatchingNet)
    learner.loss(episodes).backward()
    assert all(float(each.grad.abs().sum()) > 0 for each in learner.parameters() if each.grad is not None)
    assert all(each.grad is not None for each in learner.context.parameters())  # type: ignore[union-attr]
    learner.eval()
    with torch.no_grad():
        logits = learner.classify(episodes)
        learner.context = None
        assert float((learner.classify(episodes) - logits).abs().max()) > 0.01


def test_reads_are_idle_without_context() -> None:
    assert build(MatchingNet).idle_options() == {"reads": "context is false"}
    assert build(MatchingNet, context=True).idle_options() == {}
