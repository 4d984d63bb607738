"""Backbones by name, through the entry-point group `metabench.backbones`: networks from inputs to features.

A backbone is a function `(shape, norm, width) -> Layers` that builds a network from images `[n, C, H, W]`, for C 1 or
3 and any H, W of at least 16, to features `[n, D]`. One with `takes_numbers = True` takes the inputs `[n, 1]` of a
regression, too. One with `takes_text = True` takes token ids `[n, L]` alone (see `TextBank.gather`): its shape is an
`episodes.banks.vocabulary.TextShape`, and where it has a vocabulary of its own, `vocabulary()` gives it. One with
`takes_path = True` is written `name:PATH`, and gets the path in place of a width, as `path`. One with
`outside_data = True` comes with weights that were trained on other data.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.plugins import load_plugin, plugin_names
from metabench.errors import UsageError

Norm = Callable[[int], nn.Module]
Shape = tuple[int, ...]

GROUP = "metabench.backbones"
MOST_WIDTH = 4096  # of which conv4 has 450 million parameters


class Layers(nn.Sequential):
    """Layers one after the other. Those with `takes_rows` are told which rows of the batch to normalise by."""

    takes_rows = True
    name: str | None = None  # that it was built by

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
        UsageError: a name that is unknown or registered twice, or a plug-in that cannot be imported or called.
    """
    found, what = load_plugin(GROUP, "backbone", name, UsageError)
    if not callable(found):
        raise UsageError(f"{what} is of type {type(found).__name__}, not a function (shape, norm, width) -> network")
    build: Build = found
    return build


def build_backbone(name: str, image_shape: Shape, norm: Norm = nn.BatchNorm2d) -> Layers:
    """The network of that name, or of `package.module:function`.

    With `:W` after it, as in `conv4:128`, it has W filters (`mlp`: units) in its first block in place of 64.

    Args:
        image_shape: (C, H, W) of the images, (1,) of numbers, or the `TextShape` of texts.
        norm: makes the normalisation of a number of channels.

    Raises:
        UsageError: unknown name, a width that is not a positive even number, images under 16 x 16, or a network of
            other inputs.
    """
    base, width = _parts(name)
    build = get_backbone(base)
    _check_inputs(name, build, image_shape)
    if getattr(build, "takes_path", False):
        if not width:
            raise UsageError(f"backbone '{base}' needs a folder or a name: {base}:PATH")
        network = build(image_shape, norm, 64, path=width)  # type: ignore[call-arg]
        network.name = name
        return network
    if width is not None and not (
        width.isdecimal() and len(width) < 5 and 2 <= int(width) <= MOST_WIDTH and int(width) % 2 == 0
    ):
        raise UsageError(
            f"backbone '{name:.60}' asks for '{width:.40}' filters; give an even number up to {MOST_WIDTH}, "
            f"e.g. {base}:128"
        )
    if min(image_shape[1:], default=16) < 16:
        raise UsageError(
            f"backbone '{name}' needs images of at least 16 x 16; found {image_shape[1]} x {image_shape[2]}"
        )
    network = build(image_shape, norm, int(width or 64))
    network.name = name
    return network.to(memory_format=torch.channels_last)  # about 1.4 times as fast as the default layout on CPU


def takes_text(name: str) -> bool:
    """Whether the backbone of that name takes texts."""
    return bool(getattr(get_backbone(_parts(name)[0]), "takes_text", False))


def vocabulary_of(name: str) -> Vocabulary | None:
    """The vocabulary that a backbone of that name was trained with; None for one that takes any, or takes no text.

    Raises:
        UsageError, episodes.DataError: it cannot be loaded.
    """
    base, rest = _parts(name)
    build = get_backbone(base)
    if not hasattr(build, "vocabulary"):
        return None
    found: Vocabulary = build.vocabulary(rest) if getattr(build, "takes_path", False) else build.vocabulary()
    return found


def has_outside_data(name: str) -> bool:
    """Whether the backbone of that name comes with weights that were trained on other data."""
    return bool(getattr(get_backbone(_parts(name)[0]), "outside_data", False))


def example_inputs(count: int, shape: Shape) -> Tensor:
    """So many inputs of that shape, the longest texts among them, for what depends on their size alone."""
    return torch.ones(count, *shape, dtype=torch.int32) if isinstance(shape, TextShape) else torch.zeros(count, *shape)


def _check_inputs(name: str, build: Build, shape: Shape) -> None:
    if isinstance(shape, TextShape) != getattr(build, "takes_text", False):
        found = "texts" if isinstance(shape, TextShape) else "no texts"
        takes, advice = (
            ("text", "") if getattr(build, "takes_text", False) else ("images", "; choose one such as minilm")
        )
        raise UsageError(f"backbone '{name}' takes {takes}, and the inputs here are {found}{advice}")
    if not isinstance(shape, TextShape) and len(shape) < 3 and not getattr(build, "takes_numbers", False):
        raise UsageError(f"backbone '{name}' takes images, and the inputs here are numbers; choose mlp, e.g. mlp:40")


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
    return _output_shape(backbone, image_shape)[0]


def feature_map(backbone: Layers, image_shape: Shape) -> tuple[Layers, Shape]:
    """The same layers up to the last map of local features `[n, C, H, W]`, and (C, H, W) for images of that shape.

    What comes off is a flattening or a mean over places at the end.

    Raises:
        UsageError: there is no map, or one of a single place.
    """
    layers = list(backbone)
    while layers and isinstance(layers[-1], nn.Flatten | nn.AdaptiveAvgPool2d):
        layers.pop()
    network = Layers(*layers)
    network.name = backbone.name
    shape = _output_shape(network, image_shape)
    if len(shape) != 3:
        raise UsageError(f"backbone '{backbone.name}' has no map of local features; choose one such as conv4-two-pools")
    if shape[1] * shape[2] == 1:
        raise UsageError(
            f"backbone '{backbone.name}' has a map of a single place for images of {image_shape[1]} x "
            f"{image_shape[2]}; choose conv4-two-pools, or larger images (--image-size)"
        )
    return network, shape


def _output_shape(network: nn.Module, image_shape: Shape) -> Shape:
    """Of one output for images of that shape."""
    was_training = network.training
    with torch.no_grad():
        output = network.eval()(example_inputs(2, image_shape))  # two, as one has no batch statistics
    network.train(was_training)
    return tuple(output.shape[1:])
