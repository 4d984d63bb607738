"""Backbones by name, through the entry-point group `metabench.backbones`: networks from inputs to features.

A backbone is a function `(shape, norm, width) -> Layers` that builds a network from images `[n, C, H, W]`, for C 1 or
3 and any H, W of at least 16, to features `[n, D]`. One with `takes_numbers = True` takes the inputs `[n, 1]` of a
regression, too. One with `takes_text = True` takes token ids `[n, L]` alone (see `TextBank.gather`): its shape is an
`episodes.banks.vocabulary.TextShape`, and where it has a vocabulary of its own, `vocabulary()` gives it. One with
`takes_path = True` is written `name:PATH`, and gets the path in place of a width, as `path`; its `takes_text` may be a
function of the path. One with `outside_data = True` comes with weights that were trained on other data. `width` is the
width that it has where none is given.

`package.module:factory` may also be a function without arguments from images `[n, 3, H, W]` to features, as other
packages have them (see `metabench.outside`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from episodes.banks.vocabulary import TextShape, Vocabulary
from episodes.plugins import load_plugin, plugin_faults, plugin_names
from metabench.errors import UsageError
from metabench.outside import InputForm, PictureNetwork

Norm = Callable[[int], nn.Module]
Shape = tuple[int, ...]

GROUP = "metabench.backbones"
MOST_WIDTH = 4096  # of which conv4 has 450 million parameters


class TrainedOn(NamedTuple):
    """The data of a run that a network was exported from: what the run's record says of them."""

    train: str  # fingerprint of the bank of training images
    test: str  # and of that of test images
    test_classes: str  # whether the test classes were in outside data, as in records


class Layers(nn.Sequential):
    """Layers one after the other. Those with `takes_rows` are told which rows of the batch to normalise by."""

    takes_rows = True
    name: str | None = None  # that it was built by
    sources: tuple[str | TrainedOn | None, ...] = ()  # the outside data that it was trained on, None where not known

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
    with plugin_faults(f"backbone '{name}'", build, UsageError):
        network = _built(name, build, base, width, image_shape, norm)
    if not isinstance(network, nn.Module):
        raise UsageError(f"backbone '{name}' is invalid: it gives {type(network).__name__}, not a torch.nn.Module")
    network.name = name
    if getattr(build, "outside_data", False):
        network.sources = (getattr(network[0], "trained_on", None),)
    return network.to(memory_format=torch.channels_last)  # about 1.4 times as fast as the default layout on CPU


def _built(name: str, build: Build, base: str, width: str | None, image_shape: Shape, norm: Norm) -> Layers:
    if getattr(build, "takes_path", False):
        if not width:
            raise UsageError(f"backbone '{base}' needs a folder or a name: {base}:NAME")
        return build(image_shape, norm, 64, path=width)  # type: ignore[call-arg]
    if _is_factory(build):
        if width:
            raise UsageError(f"backbone '{base}' takes no arguments; leave ':{width:.40}' out")
        return _outside(name, build, norm)
    return build(image_shape, norm, _checked_width(name, base, width, image_shape, build))


def _checked_width(name: str, base: str, width: str | None, shape: Shape, build: Build) -> int:
    if width is not None and not (
        width.isdecimal() and len(width) < 5 and 2 <= int(width) <= MOST_WIDTH and int(width) % 2 == 0
    ):
        raise UsageError(
            f"backbone '{name:.60}' asks for a width of '{width:.40}'; give an even number up to {MOST_WIDTH}, "
            f"e.g. {base}:128"
        )
    if min(shape[1:], default=16) < 16:
        raise UsageError(f"backbone '{name}' needs images of at least 16 x 16; found {shape[1]} x {shape[2]}")
    usual: int = getattr(build, "width", 64)
    return int(width) if width else usual


def _is_factory(build: Callable[..., Any]) -> bool:
    """Whether it makes a network without being told anything, as other packages have them."""
    try:
        inspect.signature(build).bind((3, 64, 64), nn.BatchNorm2d, 64)
    except TypeError:
        return True
    except ValueError:  # it does not tell its arguments
        return False
    return False


def _outside(name: str, factory: Callable[..., Any], norm: Norm) -> Layers:
    """The network that a function without arguments makes."""
    model = factory()
    if not isinstance(model, nn.Module):
        raise UsageError(f"backbone '{name}' gives a {type(model).__name__}, not a torch.nn.Module; fix it")
    config = getattr(model, "pretrained_cfg", None)
    form = InputForm.of_config(config) if config else InputForm()
    return Layers(PictureNetwork(model, form, fixed=norm is not nn.BatchNorm2d))


def takes_text(name: str) -> bool:
    """Whether the backbone of that name takes texts."""
    base, path = _parts(name)
    found = getattr(get_backbone(base), "takes_text", False)
    return bool(found(path) if callable(found) and path else found)


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


def example_inputs(count: int, shape: Shape) -> Tensor:
    """So many inputs of that shape, the longest texts among them, for what depends on their size alone."""
    return torch.ones(count, *shape, dtype=torch.int32) if isinstance(shape, TextShape) else torch.zeros(count, *shape)


def _check_inputs(name: str, build: Build, shape: Shape) -> None:
    if isinstance(shape, TextShape) != takes_text(name):
        found = "texts" if isinstance(shape, TextShape) else "no texts"
        takes, advice = ("text", "") if takes_text(name) else ("images", "; choose one such as minilm")
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
