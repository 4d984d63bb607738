"""Texts as bags of tokens: how often each token occurs in them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def bags(ids: Tensor, ignored: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """Counts of the tokens that occur in any of the texts.

    Args:
        ids: `[B, n, L]` token ids, each plus 1, 0 for padding.
        ignored: token ids that are not counted, as those of special tokens.

    Returns:
        The tokens that occur, as numbers in the vocabulary, `[U]`; and how often each does, `[B, n, U]` float32.
    """
    numbers, places = torch.unique(ids, return_inverse=True)
    counts = ids.new_zeros((*ids.shape[:2], len(numbers)), dtype=torch.float32)
    counts.scatter_add_(2, places, torch.ones_like(places, dtype=torch.float32))
    left_out = torch.tensor([0, *(number + 1 for number in ignored)], device=ids.device)
    kept = ~torch.isin(numbers, left_out)
    return numbers[kept].long() - 1, counts[..., kept]


def tf_idf(counts: Tensor, frequencies: Tensor, documents: Tensor) -> Tensor:
    """Counts `[B, n, U]` weighted by how rare a token is, each text of unit length (Salton and Buckley 1988).

    The weight is ln((1 + documents) / (1 + frequency)) + 1, as if each token were in one more text.

    Args:
        counts: of each token.
        frequencies: in how many texts each token occurs, `[B, U]`, or `[U]` for all alike.
        documents: how many texts that is of, broadcast to it.
    """
    weights = torch.log((1 + documents) / (1 + frequencies)) + 1
    return F.normalize(counts * weights.unsqueeze(-2), dim=2)
