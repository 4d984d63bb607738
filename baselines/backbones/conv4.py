"""Conv-4: four blocks of convolution, as most few-shot papers have it."""

from __future__ import annotations

from torch import nn

from metabench.backbone import Layers, Norm, Shape


def conv4(shape: Shape, norm: Norm, width: int) -> Layers:
    """Four blocks of 3x3 convolution, normalisation, ReLU and 2x2 max-pooling (Vinyals et al. 2016, section 4.1).

    ReLU follows the pooling: as it is monotonic the values are the same, at a quarter of the work.
    """
    return _blocks(shape, norm, width, pooled=4)


def conv4_two_pools(shape: Shape, norm: Norm, width: int) -> Layers:
    """Conv-4 with pooling in its first two blocks alone, for local features (Sung et al. 2018, Li et al. 2019)."""
    return _blocks(shape, norm, width, pooled=2)


def _blocks(shape: Shape, norm: Norm, width: int, pooled: int) -> Layers:
    layers: list[nn.Module] = []
    for number, incoming in enumerate((shape[0], width, width, width)):
        pooling = [nn.MaxPool2d(2)] if number < pooled else []
        layers += [nn.Conv2d(incoming, width, 3, padding=1), norm(width), *pooling, nn.ReLU()]
    return Layers(*layers, nn.Flatten())


def conv4_strided(shape: Shape, norm: Norm, width: int) -> Layers:
    """Conv-4 with stride 2 for pooling, and a mean over what is left (Finn et al. 2017, section 5.2, for Omniglot)."""
    blocks = []
    for incoming in (shape[0], width, width, width):
        blocks += [nn.Conv2d(incoming, width, 3, stride=2, padding=1), norm(width), nn.ReLU()]
    return Layers(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())
