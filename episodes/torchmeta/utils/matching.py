"""Matching networks (Vinyals et al. 2016, section 2.1)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def pairwise_cosine_similarity(embeddings1: Tensor, embeddings2: Tensor, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between each two of `[B, n, D]` and `[B, m, D]`: `[B, n, m]`.

    Args:
        embeddings1, embeddings2: the vectors.
        eps: the least product of two lengths that is divided by.
    """
    lengths = torch.linalg.norm(embeddings1, dim=2)[:, :, None] * torch.linalg.norm(embeddings2, dim=2)[:, None]
    products = torch.bmm(embeddings1, embeddings2.transpose(1, 2))
    return products.div(lengths.clamp_min(eps))


def matching_probas(
    embeddings: Tensor, targets: Tensor, test_embeddings: Tensor, num_classes: int, eps: float = 1e-8
) -> Tensor:
    """The probability of each class for each test image, `[B, num_classes, m]`: the attention on its train images.

    Args:
        embeddings: of the train images, `[B, n, D]`.
        targets: theirs, `[B, n]` int64 in 0..num_classes-1.
        test_embeddings: `[B, m, D]`.
        num_classes: the ways.
        eps: see `pairwise_cosine_similarity`.
    """
    attention = pairwise_cosine_similarity(embeddings, test_embeddings, eps).softmax(1)  # [B, n, m]
    probas = attention.new_zeros(attention.shape[0], num_classes, attention.shape[2])
    return probas.scatter_add(1, targets[:, :, None].expand_as(attention), attention)


def matching_log_probas(
    embeddings: Tensor, targets: Tensor, test_embeddings: Tensor, num_classes: int, eps: float = 1e-8
) -> Tensor:
    """The logarithm of `matching_probas`; minus infinity for a class without train images."""
    return torch.log(matching_probas(embeddings, targets, test_embeddings, num_classes, eps))


def matching_loss(
    train_embeddings: Tensor,
    train_targets: Tensor,
    test_embeddings: Tensor,
    test_targets: Tensor,
    num_classes: int,
    eps: float = 1e-8,
    **kwargs: Any,
) -> Tensor:
    """The negative log-likelihood of the test images' targets `[B, m]`; see `matching_probas`.

    Args:
        kwargs: other arguments of `torch.nn.functional.nll_loss`.
    """
    log_probas = matching_log_probas(train_embeddings, train_targets, test_embeddings, num_classes, eps)
    return F.nll_loss(log_probas, test_targets, **kwargs)
