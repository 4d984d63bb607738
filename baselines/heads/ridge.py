"""Ridge regression as a classifier, in closed form."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MANY = 4096  # items of a support


def ridge_head(support: Tensor, labels: Tensor, ways: int, penalty: float | Tensor) -> tuple[Tensor, Tensor]:
    """One-against-all ridge regression for B tasks in one call, by its closed form.

    Minimises `|X W + b - Y|^2 + penalty * |W|^2`, Y one-hot and b unpenalised, in its dual form (Bertinetto et al.
    2019, equations 4 and 5), whose matrix has the size of the support and not of the features. Of a support as large as
    `MANY`, such as all words of many texts, in its primal form, whose matrix has the size of the features.

    Args:
        support: features `[B, N*K, D]`.
        labels: `[B, N*K]`.
        ways: N.
        penalty: above 0.

    Returns:
        W `[B, D, N]` and b `[B, 1, N]`.
    """
    targets = F.one_hot(labels, ways).to(support.dtype)
    mean, target_mean = support.mean(1, keepdim=True), targets.mean(1, keepdim=True)
    centred = support - mean
    if support.shape[1] >= MANY > support.shape[2]:
        transposed, identity = centred.transpose(1, 2), _identity(support.shape[2], support)
        weight = torch.linalg.solve(transposed @ centred + penalty * identity, transposed @ (targets - target_mean))
        return weight, target_mean - mean @ weight
    gram = centred @ centred.transpose(1, 2)
    dual = torch.linalg.solve(gram + penalty * _identity(gram.shape[1], gram), targets - target_mean)
    weight = centred.transpose(1, 2) @ dual
    return weight, target_mean - mean @ weight


def _identity(size: int, like: Tensor) -> Tensor:
    return torch.eye(size, dtype=like.dtype, device=like.device)
