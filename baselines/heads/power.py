"""The power transform: features whose distribution is less skewed (Hu, Gripon, Pateux 2021)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

SMALL = 1e-6


def power_transform(features: Tensor, power: float) -> Tensor:
    """Each value to a power, then each feature `[..., D]` scaled to length 1 (equation 1).

    It is for values of at least 0, as after a ReLU. A value below 0 keeps its sign, so that a network without a ReLU at
    its end can be transformed too.

    Args:
        features: of any finite values.
        power: above 0; 1 leaves values as they are.
    """
    # Small values are raised a little, as a power below 1 is steep at 0.
    raised = (features.abs() + SMALL).pow(power)
    return F.normalize(raised.where(features >= 0, -raised), dim=-1)
