"""Mutual information between queries and their labels, by Shannon's or by Tsallis's entropies."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


def log_shares(features: Tensor, centres: Tensor, sharpness: float) -> Tensor:
    """Log-probabilities `[B, n, N]` by a softmax over `-sharpness / 2` times squared Euclidean distances.

    Args:
        features: `[B, n, D]`.
        centres: `[B, N, D]`.
        sharpness: above 0.
    """
    # A feature's own length is the same for all classes, and falls out.
    scores = features @ centres.transpose(1, 2) - centres.square().sum(2).unsqueeze(1) / 2
    return torch.log_softmax(sharpness * scores, dim=2)


def entropy(logs: Tensor, order: float = 1.0) -> Tensor:
    """Tsallis's entropy `(1 - sum(p^order)) / (order - 1)` over the last dimension; Shannon's, its limit, at order 1.

    Args:
        logs: log-probabilities.
        order: above 0.
    """
    if order == 1:
        return -(logs.exp() * logs).sum(-1)
    # As a sum of (p - p^order) / (order - 1), so written that no digits are lost near order 1, and nothing overflows.
    lower, between = min(order, 1.0), abs(order - 1)
    return -((lower * logs).exp() * torch.expm1(between * logs)).sum(-1) / between


def information_loss(
    support: Tensor, labels: Tensor, query: Tensor, weights: tuple[float, float, float], order: float = 1.0
) -> Tensor:
    """`[B]`: cross-entropy of the support, less the mutual information between queries and their labels.

    Args:
        support: log-probabilities `[B, S, N]`, of `labels` `[B, S]`.
        query: log-probabilities `[B, Q, N]`.
        weights: of the cross-entropy, of the entropy of the mean prediction, and of the queries' mean entropy.
        order: of both entropies.
    """
    of_support, of_marginal, of_queries = weights
    surprise = -support.gather(2, labels.unsqueeze(2)).mean((1, 2))
    marginal = torch.logsumexp(query, dim=1) - math.log(query.shape[1])
    return of_support * surprise - of_marginal * entropy(marginal, order) + of_queries * entropy(query, order).mean(1)


def descended(start: Tensor, loss: Callable[[Tensor], Tensor], steps: int, rate: float) -> Tensor:
    """What Adam makes of `start` `[B, ...]` in `steps` of the learning rate `rate`.

    Args:
        loss: from such a tensor to `[B]`, each task's of its own part alone; its sum is differentiated, so that no task
            depends on another.
    """
    moved = start.detach().clone().requires_grad_()
    optimizer = torch.optim.Adam([moved], lr=rate)
    with torch.enable_grad():
        for _ in range(steps):
            optimizer.zero_grad()
            # Not into the features, whose graph may be needed again.
            loss(moved).sum().backward(inputs=[moved])  # type: ignore[no-untyped-call]
            optimizer.step()
    return moved.detach()
