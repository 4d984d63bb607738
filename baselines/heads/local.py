"""Local features: those of the places of a feature map."""

from __future__ import annotations

from torch import Tensor


def places(features: Tensor, channels: int) -> Tensor:
    """Local features `[B, n, P, C]` of n images' maps, which are flattened `[B, n, C * P]`, for C channels."""
    return features.view(*features.shape[:2], channels, -1).transpose(2, 3)
