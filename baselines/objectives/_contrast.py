"""Contrastive losses: an item is to find its other view among the views of other items."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_logits(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Cosines of all pairs by the temperature, `[n, m]`, of `[n, D]` and `[m, D]` (Gao et al. 2021, equation 4)."""
    with torch.autocast(first.device.type, enabled=False):  # as cosines need more digits than bfloat16 has
        cosines: Tensor = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T
    return cosines / temperature


def nt_xent(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """The mean loss of two views of n items, `[n, D]` each (Chen et al. 2020, equation 1 and algorithm 1).

    Each of the 2n views is to find its other among all but itself.
    """
    both = torch.cat([first, second])
    logits = contrastive_logits(both, both, temperature)
    itself = torch.eye(len(both), dtype=torch.bool, device=both.device)
    other = torch.arange(len(both), device=both.device).roll(len(first))
    return F.cross_entropy(logits.masked_fill(itself, -torch.inf), other)
