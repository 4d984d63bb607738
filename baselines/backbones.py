"""Networks by name: images `[n, C, H, W]` to features `[n, D]`, for C 1 or 3 and any H, W of at least 16.

`mlp` also takes the inputs `[n, 1]` of a regression.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from episodes.errors import nearest
from metabench.errors import UsageError

Norm = Callable[[int], nn.Module]
Shape = tuple[int, ...]


class Layers(nn.Sequential):
    """Layers one after the other. Those with `takes_rows` are told which rows of the batch to normalise by."""

    takes_rows = True

    def forward(self, images: Tensor, rows: int | None = None) -> Tensor:
        for layer in self:
            images = layer(images, rows) if getattr(layer, "takes_rows", False) else layer(images)
        return images


def conv4(shape: Shape, norm: Norm, width: int) -> Layers:
    """Four blocks of 3x3 convolution, normalisation, ReLU and 2x2 max-pooling (Vinyals et al. 2016, section 4.1).

    ReLU follows the pooling: as it is monotonic the values are the same, at a quarter of the work.
    """
    blocks = []
    for incoming in (shape[0], width, width, width):
        blocks += [nn.Conv2d(incoming, width, 3, padding=1), norm(width), nn.MaxPool2d(2), nn.ReLU()]
    return Layers(*blocks, nn.Flatten())


def conv4_strided(shape: Shape, norm: Norm, width: int) -> Layers:
    """Conv-4 with stride 2 for pooling, and a mean over what is left (Finn et al. 2017, section 5.2, for Omniglot)."""
    blocks = []
    for incoming in (shape[0], width, width, width):
        blocks += [nn.Conv2d(incoming, width, 3, stride=2, padding=1), norm(width), nn.ReLU()]
    return Layers(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class ResidualBlock(nn.Module):
    """Three 3x3 convolutions with a 1x1 shortcut, then 2x2 max-pooling (Lee et al. 2019, section 4.1)."""

    takes_rows = True

    def __init__(self, incoming: int, width: int, norm: Norm) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (incoming, width, width):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), norm(width), nn.LeakyReLU(0.1)]
        self.residual = Layers(*layers[:-1])
        self.shortcut = Layers(nn.Conv2d(incoming, width, 1, bias=False), norm(width))
        self.finish = Layers(nn.MaxPool2d(2), nn.LeakyReLU(0.1))  # as in Conv-4, the order is free

    def forward(self, images: Tensor, rows: int | None = None) -> Tensor:
        out: Tensor = self.finish(self.residual(images, rows) + self.shortcut(images, rows))
        return out


def resnet12(shape: Shape, norm: Norm, width: int) -> Layers:
    """ResNet-12 with 64-160-320-640 filters and average pooling at the end (Lee et al. 2019, section 4.1).

    Differs from the paper: no DropBlock. Another `width` scales all four blocks alike.
    """
    widths = [shape[0], width, width * 5 // 2, width * 5, width * 10]
    blocks = [ResidualBlock(incoming, outgoing, norm) for incoming, outgoing in pairwise(widths)]
    return Layers(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def mlp(shape: Shape, norm: Norm, width: int) -> Layers:
    """Two hidden layers of ReLU, for images or numbers (Finn et al. 2017, section 5.1, with mlp:40); not normalised."""
    return Layers(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())


MOST_WIDTH = 4096  # of which conv4 has 450 million parameters
BACKBONES = {"conv4": conv4, "conv4-strided": conv4_strided, "resnet12": resnet12, "mlp": mlp}


def build_backbone(name: str, image_shape: Shape, norm: Norm = nn.BatchNorm2d) -> Layers:
    """The network of that name; `name:W` has W filters (`mlp`: units) in its first block in place of 64.

    Args:
        image_shape: (C, H, W) of the images, or (1,) of numbers.
        norm: makes the normalisation of a number of channels.

    Raises:
        UsageError: unknown name, a width that is not a positive even number, images under 16 x 16, or
            numbers for a network of images.
    """
    base, colon, width = name.partition(":")
    if base not in BACKBONES:
        raise UsageError(
            f"there is no backbone '{name}'{nearest(base, BACKBONES)}; `metabench list backbones` shows all"
        )
    if colon and not (width.isdecimal() and len(width) < 5 and 2 <= int(width) <= MOST_WIDTH and int(width) % 2 == 0):
        raise UsageError(
            f"backbone '{name:.60}' asks for '{width:.40}' filters; give an even number up to {MOST_WIDTH}, "
            f"e.g. {base}:128"
        )
    if len(image_shape) < 3 and base != "mlp":
        raise UsageError(f"backbone '{name}' takes images, and the inputs here are numbers; choose mlp, e.g. mlp:40")
    if min(image_shape[1:], default=16) < 16:
        raise UsageError(
            f"backbone '{name}' needs images of at least 16 x 16; found {image_shape[1]} x {image_shape[2]}"
        )
    network = BACKBONES[base](image_shape, norm, int(width or 64))
    return network.to(memory_format=torch.channels_last)  # about 1.4 times as fast as the default layout on CPU


def feature_size(backbone: Layers, image_shape: Shape) -> int:
    """D, the number of features that the backbone gives for images of that shape."""
    was_training = backbone.training
    with torch.no_grad():
        size = backbone.eval()(torch.zeros(2, *image_shape)).shape[1]  # two, as one has no batch statistics
    backbone.train(was_training)
    return int(size)
