"""Backbones by name, through the entry-point group `metabench.backbones`: networks from inputs to features.

A backbone is a function `(shape, norm, width) -> Layers` that builds a network from images `[n, C, H, W]`, for C 1 or
3 and any H, W of at least 16, to features `[n, D]`. One with `takes_numbers = True` takes the inputs `[n, 1]` of a
regression, too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from episodes.plugins import load_plugin, plugin_names
from metabench.errors import UsageError

Norm = Callable[[int], nn.Module]
Shape = tuple[int, ...]

GROUP = "metabench.backbones"
MOST_WIDTH = 4096  # of which conv4 has 450 million parameters


class Layers(nn.Sequential):
    """Layers one after the other. Those with `takes_rows` are told which rows of the batch to normalise by."""

    takes_rows = True

    def forward(self, images: Tensor, rows: int | None = None) -> Tensor:
        for layer in self:
            images = layer(images, rows) if getattr(layer, "takes_rows", False) else layer(images)
        return images


Build = Callable[[Shape, Norm, int], Layers]


def backbone_names() -> list[str]:
    """The registered names, sorted."""
    return plugin_names(GROUP)


def get_backbone(name: str) -> Build:
    """The function that is registered under a name, or that `package.module:function` names.

    Raises:
        UsageError: unknown or twice registered name, or a plug-in that cannot be imported or called.
    """
    found, what = load_plugin(GROUP, "backbone", name, UsageError)
    if not callable(found):
        raise UsageError(f"{what} is of type {type(found).__name__}, not a function (shape, norm, width) -> network")
    build: Build = found
    return build


def build_backbone(name: str, image_shape: Shape, norm: Norm = nn.BatchNorm2d) -> Layers:
    """The network of that name, or of `package.module:function`.

    With `:W` behind, `conv4:128`, it has W filters (`mlp`: units) in its first block in place of 64.

    Args:
        image_shape: (C, H, W) of the images, or (1,) of numbers.
        norm: makes the normalisation of a number of channels.

    Raises:
        UsageError: unknown name, a width that is not a positive even number, images under 16 x 16, or
            numbers for a network of images.
    """
    base, width = _parts(name)
    build = get_backbone(base)
    if width is not None and not (
        width.isdecimal() and len(width) < 5 and 2 <= int(width) <= MOST_WIDTH and int(width) % 2 == 0
    ):
        raise UsageError(
            f"backbone '{name:.60}' asks for '{width:.40}' filters; give an even number up to {MOST_WIDTH}, "
            f"e.g. {base}:128"
        )
    if len(image_shape) < 3 and not getattr(build, "takes_numbers", False):
        raise UsageError(f"backbone '{name}' takes images, and the inputs here are numbers; choose mlp, e.g. mlp:40")
    if min(image_shape[1:], default=16) < 16:
        raise UsageError(
            f"backbone '{name}' needs images of at least 16 x 16; found {image_shape[1]} x {image_shape[2]}"
        )
    network = build(image_shape, norm, int(width or 64))
    return network.to(memory_format=torch.channels_last)  # about 1.4 times as fast as the default layout on CPU


def _parts(name: str) -> tuple[str, str | None]:
    """The name without its width, and the width, or what stands in its place; None where there is no colon for it."""
    base, *rest = name.split(":", 1)
    if rest and base not in backbone_names():
        function, *width = rest[0].split(":", 1)
        if function.isidentifier():
            return f"{base}:{function}", width[0] if width else None
    return base, rest[0] if rest else None


def feature_size(backbone: nn.Module, image_shape: Shape) -> int:
    """D, the number of features that the backbone gives for images of that shape."""
    was_training = backbone.training
    with torch.no_grad():
        size = backbone.eval()(torch.zeros(2, *image_shape)).shape[1]  # two, as one has no batch statistics
    backbone.train(was_training)
    return int(size)
