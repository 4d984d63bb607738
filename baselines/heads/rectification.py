"""Prototypes that are moved by a task's queries (Liu, Song, Qin 2020)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.heads.cosine import cosines


def shifted(query: Tensor, support: Tensor) -> Tensor:
    """Queries `[B, Q, D]` moved so that their mean is that of the support `[B, S, D]` (section 3.3)."""
    return query + support.mean(1, keepdim=True) - query.mean(1, keepdim=True)


def rectified(
    centres: Tensor, support: Tensor, labels: Tensor, query: Tensor, sharpness: float, most: int | None = None
) -> Tensor:
    """Prototypes from the support and from queries by the class that each is taken for (section 3.3).

    A query is taken for the class whose prototype is most alike by cosine. A class's new prototype is the weighted mean
    of its support and of its queries, by a softmax over `sharpness` times their cosines to the old prototype.

    Args:
        centres: `[B, N, D]`.
        support: `[B, S, D]`, of `labels` `[B, S]`; each class has some.
        query: `[B, Q, D]`.
        sharpness: factor of the cosines.
        most: how many queries a class takes at most, those that are taken for it with the highest probability; None for
            all.

    Returns:
        `[B, N, D]`.
    """
    alike = sharpness * cosines(query, centres)
    taken = F.one_hot(alike.argmax(2), centres.shape[1]).bool()
    if most is not None and most < query.shape[1]:
        sure = torch.softmax(alike, dim=2).where(taken, -1)
        best = sure.topk(most, dim=1).indices
        taken &= torch.zeros_like(taken).scatter(1, best, True)
    own = torch.cat([F.one_hot(labels, centres.shape[1]).bool(), taken], dim=1)
    scores = torch.cat([sharpness * cosines(support, centres), alike], dim=1)
    weights = torch.softmax(scores.masked_fill(~own, -torch.inf), dim=1)
    return weights.transpose(1, 2) @ torch.cat([support, query], dim=1)
