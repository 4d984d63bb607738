"""The nearest class mean by a distance that each class has of its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.heads.prototypes import prototypes


def class_covariances(support: Tensor, labels: Tensor, ways: int, ridge: float) -> Tensor:
    """Regularised covariance of each class, `[B, N, D, D]` (Bateni et al. 2020, section 4).

    That of a class of n items is `n / (n + 1)` times their own covariance, plus `1 / (n + 1)` times that of the whole
    support, plus `ridge` times the identity. Covariances are those of a sample, 0 of a single item.

    Args:
        support: features `[B, S, D]`.
        labels: `[B, S]`.
        ways: N.
        ridge: above 0.
    """
    members = F.one_hot(labels, ways).to(support.dtype).transpose(1, 2)[..., None]
    count = members.sum(2, keepdim=True)
    from_own = (support[:, None] - prototypes(support, labels, ways)[:, :, None]) * members
    from_all = support - support.mean(1, keepdim=True)
    own = from_own.transpose(2, 3) @ from_own / (count - 1).clamp(min=1)
    whole = from_all.transpose(1, 2) @ from_all / max(1, support.shape[1] - 1)
    identity = torch.eye(support.shape[2], dtype=support.dtype, device=support.device)
    return (count * own + whole[:, None]) / (count + 1) + ridge * identity


def mahalanobis(query: Tensor, centres: Tensor, covariances: Tensor) -> Tensor:
    """Squared Mahalanobis distances `[B, Q, N]` of `[B, Q, D]` to `[B, N, D]` by covariances `[B, N, D, D]`."""
    factors = torch.linalg.cholesky(covariances)
    apart = (query[:, None] - centres[:, :, None]).transpose(2, 3)
    whitened: Tensor = torch.linalg.solve_triangular(factors, apart, upper=False)
    return whitened.square().sum(2).transpose(1, 2)
