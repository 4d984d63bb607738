"""Prototypical networks (Snell et al. 2017)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def get_num_samples(targets: Tensor, num_classes: int, dtype: torch.dtype | None = None) -> Tensor:
    """How many of the targets `[B, n]` are of each class: `[B, num_classes]` of that type, by default the targets'."""
    return F.one_hot(targets, num_classes).sum(1).to(dtype or targets.dtype)


def get_prototypes(embeddings: Tensor, targets: Tensor, num_classes: int) -> Tensor:
    """The mean embedding of each class (equation 1), `[B, num_classes, D]`; zero for a class without images.

    Args:
        embeddings: `[B, n, D]`.
        targets: `[B, n]` int64 in 0..num_classes-1.
        num_classes: the ways.
    """
    sums = embeddings.new_zeros(len(embeddings), num_classes, embeddings.shape[-1])
    sums = sums.scatter_add(1, targets[:, :, None].expand_as(embeddings), embeddings)
    return sums / get_num_samples(targets, num_classes, embeddings.dtype).clamp_min(1)[:, :, None]


def prototypical_loss(prototypes: Tensor, embeddings: Tensor, targets: Tensor, **kwargs: Any) -> Tensor:
    """Cross-entropy of the softmax over negative squared distances to the prototypes (equation 2).

    Args:
        prototypes: `[B, num_classes, D]`.
        embeddings: of the test images, `[B, n, D]`.
        targets: `[B, n]` int64.
        kwargs: other arguments of `torch.nn.functional.cross_entropy`.
    """
    closeness = -(prototypes[:, :, None] - embeddings[:, None]).square().sum(-1)  # [B, num_classes, n]
    return F.cross_entropy(closeness, targets, **kwargs)
