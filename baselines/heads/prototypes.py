"""Prototypes: each class as the mean of its support, and soft k-means from there."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_VALUES = 2**19  # of differences at one time: 2 MB, which stay in the cache of a processor


def prototypes(support: Tensor, labels: Tensor, ways: int) -> Tensor:
    """Mean feature of each class, `[B, N, D]` (Snell et al. 2017, equation 1), from `[B, N*K, D]` and `[B, N*K]`."""
    members = F.one_hot(labels, ways).to(support.dtype).transpose(1, 2)
    return members @ support / members.sum(2, keepdim=True)


def squared_distances(query: Tensor, centres: Tensor) -> Tensor:
    """Squared Euclidean distances `[B, Q, N]` between `[B, Q, D]` and `[B, N, D]`."""
    at_once = max(1, MOST_VALUES // (len(query) * query.shape[2]))
    parts = [
        torch.stack([(part - centre.unsqueeze(1)).square_().sum(2) for centre in centres.unbind(1)], dim=2)
        for part in torch.split(query, at_once, dim=1)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def refined(centres: Tensor, support: Tensor, labels: Tensor, unlabelled: Tensor) -> Tensor:
    """One step of soft k-means, `[B, N, D]` (Ren et al. 2018, section 3.1.1).

    Args:
        centres: `[B, N, D]`.
        support: `[B, S, D]`, whose `labels` `[B, S]` stay as they are.
        unlabelled: `[B, U, D]`, each shared among the classes by a softmax over negative squared distances.
    """
    known = F.one_hot(labels, centres.shape[1]).to(support.dtype)
    shares = torch.softmax(-squared_distances(unlabelled, centres), dim=2)
    weights = torch.cat([known, shares], dim=1).transpose(1, 2)
    return weights @ torch.cat([support, unlabelled], dim=1) / weights.sum(2, keepdim=True)
