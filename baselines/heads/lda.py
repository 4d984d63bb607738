"""Linear discriminant analysis as a classifier: one covariance for all classes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.heads.logistic import ABSENT


def lda_head(support: Tensor, labels: Tensor, ways: int, shrinkage: float) -> tuple[Tensor, Tensor]:
    """Linear discriminant analysis for B tasks in one call: the nearest class mean by a Mahalanobis distance.

    The covariance is that of the items around their class means. It is shrunk: `1 - shrinkage` times itself, plus
    `shrinkage` times the identity with the same trace (Friedman 1989). One item per class has no
    covariance; the distance is then the Euclidean one. Logits are posteriors' logarithms but for a constant, with the
    classes' shares of the support as their priors.

    Args:
        support: features `[B, S, D]`.
        labels: `[B, S]`; a class that has none gets the logit -10,000.
        ways: N.
        shrinkage: above 0, up to 1.

    Returns:
        W `[B, D, N]` and b `[B, 1, N]`.
    """
    members = F.one_hot(labels, ways).double().transpose(1, 2)
    count = members.sum(2, keepdim=True)
    wide = support.double()
    middle = wide.mean(1, keepdim=True)  # without which all logits have a large part in common
    means = members @ (wide - middle) / count.clamp(min=1)
    spread = wide - middle - members.transpose(1, 2) @ means
    items, features = spread.shape[1:]
    level = shrinkage * spread.square().mean((1, 2))[:, None, None]
    level = torch.where(level > 0, level, 1.0)
    share = (1 - shrinkage) / items
    if features < items:
        covariance = share * spread.transpose(1, 2) @ spread + level * _identity(features, wide)
        weight = torch.linalg.solve(covariance, means.transpose(1, 2))
    else:  # by the matrix inversion lemma, of a matrix of the support's size
        inner = share * spread @ spread.transpose(1, 2) + level * _identity(items, wide)
        across = means.transpose(1, 2)
        weight = (across - share * spread.transpose(1, 2) @ torch.linalg.solve(inner, spread @ across)) / level
    bias = (count / items).log().transpose(1, 2) - (means.transpose(1, 2) * weight).sum(1, keepdim=True) / 2
    bias = (bias - middle @ weight).masked_fill(count.transpose(1, 2) == 0, ABSENT)
    return weight.to(support.dtype), bias.to(support.dtype)


def _identity(size: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)
