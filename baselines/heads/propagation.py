"""Labels that agree between neighbouring queries: Laplacian regularisation (Ziko, Dolz, Granger, Ben Ayed 2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from baselines.heads.prototypes import squared_distances

TOLERANCE = 1e-6  # relative, of the bound


def neighbours(features: Tensor, number: int) -> Tensor:
    """Affinities `[B, Q, Q]`: 1 from each feature of `[B, Q, D]` to its nearest others, 0 elsewhere (section 2.1).

    Args:
        features: of which a task's are compared with each other.
        number: of neighbours; where there are fewer others, all of them.
    """
    distances = squared_distances(features, features)
    distances.diagonal(dim1=1, dim2=2).fill_(torch.inf)
    nearest = distances.topk(min(number, features.shape[1] - 1), dim=2, largest=False).indices
    return torch.zeros_like(distances).scatter_(2, nearest, 1.0)


def bound(shares: Tensor, unary: Tensor, affinity: Tensor, weight: float) -> Tensor:
    """The relaxed energy `[B]` of log-shares `[B, Q, N]` that the updates bound (section 2.2), without constants.

    It is `sum(y log y) + sum(y * unary) - weight / 2 * sum(W * y y^T)` with y = exp(shares).
    """
    likely = shares.exp()
    pairs = (affinity @ likely * likely).sum((1, 2))
    return (likely * (shares + unary)).sum((1, 2)) - weight / 2 * pairs


def propagated(unary: Tensor, affinity: Tensor, weight: float, steps: int) -> Tensor:
    """Log-shares `[B, Q, N]` of the classes in each query, by bound updates (algorithm 1).

    Each update minimises a bound of the energy that is exact at the shares before it, so that the energy never rises
    if the affinities are symmetric and positive semi-definite.

    Args:
        unary: cost of each class, `[B, Q, N]`.
        affinity: `[B, Q, Q]`, of at least 0.
        weight: of agreeing with neighbours.
        steps: updates at most; a task whose energy no longer changes stops earlier.
    """
    shares = torch.log_softmax(-unary, dim=2)
    before = bound(shares, unary, affinity, weight)
    done = torch.zeros_like(before, dtype=torch.bool)
    for _ in range(steps):
        updated = torch.log_softmax(weight * (affinity @ shares.exp()) - unary, dim=2)
        shares = shares.where(done[:, None, None], updated)
        now = bound(shares, unary, affinity, weight)
        done |= (now - before).abs() <= TOLERANCE * before.abs()
        if bool(done.all()):
            break
        before = now
    return shares
