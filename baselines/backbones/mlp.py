"""A perceptron, which takes the inputs of a regression too."""

from __future__ import annotations

import math

from torch import nn

from metabench.backbone import Layers, Norm, Shape


def mlp(shape: Shape, norm: Norm, width: int) -> Layers:
    """Two hidden layers of ReLU, for images or numbers (Finn et al. 2017, section 5.1, with mlp:40); not normalised."""
    return Layers(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())


mlp.takes_numbers = True  # type: ignore[attr-defined]
