"""How alike features are by the angle between them."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def cosines(query: Tensor, others: Tensor) -> Tensor:
    """Cosines `[B, Q, N]` between `[B, Q, D]` and `[B, N, D]`; 0 for a feature of length 0."""
    return F.normalize(query, dim=2) @ F.normalize(others, dim=2).transpose(1, 2)
