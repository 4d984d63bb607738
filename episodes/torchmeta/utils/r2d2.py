"""Ridge regression in closed form (Bertinetto et al. 2019)."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from episodes.errors import DataError


class Affine(NamedTuple):
    """Attributes:
    weight: `[outputs, D]`.
    bias: `[outputs]`; None without.
    """

    weight: Tensor
    bias: Tensor | None


def ridge_regression(
    embeddings: Tensor,
    targets: Tensor,
    reg_lambda: float | Tensor,
    num_classes: int | None = None,
    use_woodbury: bool | None = None,
    scale: bool = True,
    bias: bool = True,
) -> Affine:
    """The affine function of the train embeddings of one task with the least squares and penalty.

    Args:
        embeddings: `[n, D]`.
        targets: `[n]` int64 for classification, as one-hot vectors, or `[n, outputs]` floats.
        reg_lambda: the weight of the penalty, on the bias too.
        num_classes: the ways; None for as many as the targets have, with a warning.
        use_woodbury: solve for n unknowns, not for D; None does so where that is fewer.
        scale: divide the squares by n.
        bias: whether there is one.

    Raises:
        DataError: float targets that are not `[n, outputs]`.
    """
    if targets.is_floating_point():
        if targets.ndim != 2:
            raise DataError(f"float targets must be [n, outputs]; they are {list(targets.shape)}")
    else:
        if num_classes is None:
            warnings.warn("num_classes is not given; the classes that the targets have are all", stacklevel=2)
        targets = F.one_hot(targets, -1 if num_classes is None else num_classes).to(embeddings.dtype)
    x = torch.cat([torch.ones_like(embeddings[:, :1]), embeddings], 1) if bias else embeddings
    examples, size = x.shape
    penalty = reg_lambda * (examples if scale else 1)
    if use_woodbury or (use_woodbury is None and examples <= size):
        solution = x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(examples).to(x), targets)
    else:
        solution = torch.linalg.solve(x.T @ x + penalty * torch.eye(size).to(x), x.T @ targets)
    return Affine(solution[1:].T, solution[0]) if bias else Affine(solution.T, None)
