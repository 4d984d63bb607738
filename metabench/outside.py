"""Networks for pictures that come from elsewhere: they get images as they were trained on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Interpolation = Literal["bilinear", "bicubic"]

IMAGES_AT_ONCE = 32  # where nothing is learned: at 224 x 224 each takes some 20 MB on its way through a network


@dataclass(frozen=True)
class InputForm:
    """What a network takes.

    Attributes:
        size: in pixels, to which the sides of images are resized; None for any.
        mean, std: of the three colours, by which values in [0, 1] are normalised.
        interpolation: of the resizing.
    """

    size: int | None = None
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    interpolation: Interpolation = "bilinear"

    @classmethod
    def of_config(cls, config: Mapping[str, Any], size: int | None = None) -> InputForm:
        """That of a `pretrained_cfg`, as timm's models have one; `size` in place of its own."""
        return cls(
            size or int(config["input_size"][-1]),
            tuple(map(float, config["mean"])),
            tuple(map(float, config["std"])),
            interpolation_of(str(config.get("interpolation"))),
        )


def interpolation_of(name: str) -> Interpolation:
    """The one of that name, or the nearest that batches of images can be resized by."""
    return "bicubic" if name in ("bicubic", "lanczos") else "bilinear"


class PictureNetwork(nn.Module):
    """Features of pictures by a network from elsewhere.

    Images `[n, C, H, W]` with values in [0, 1] are resized as a whole to the network's input size, grey ones become
    colour, and colours are normalised.

    Args:
        model: from `[n, 3, S, S]` to features `[n, D]`, without a classifier.
        form: what it takes.
        classifier: the names of layers that were taken off, which files of its weights still have.
        fixed: whether batch normalisation keeps to the statistics that it has, in training too.
        published: gives the weights that the model was published with, by the model's own names of tensors; None for a
            model without any.
        trained_on: the name of the data that these were trained on, if a list of its classes is there
            (see `metabench.records.seen`).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: nn.Module,
        form: InputForm,
        *,
        classifier: tuple[str, ...] = (),
        fixed: bool = False,
        published: Callable[[], dict[str, Tensor]] | None = None,
        trained_on: str | None = None,
    ) -> None:
        super().__init__()
        self.model, self.form, self.classifier = model, form, classifier
        self.fixed, self.published, self.trained_on = fixed, published, trained_on
        self.register_buffer("mean", torch.tensor(form.mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(form.std)[:, None, None], persistent=False)
        self.train(self.training)

    def train(self, mode: bool = True) -> PictureNetwork:
        super().train(mode)
        if self.fixed:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forget(self) -> None:
        """Draw all weights anew, as if nothing had been learned."""
        for module in self.model.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()

    def forward(self, images: Tensor) -> Tensor:
        """From images `[n, C, H, W]`, C 1 or 3 and values in [0, 1], to features `[n, D]`."""
        if torch.is_grad_enabled():
            return self._features(images)
        return torch.cat([self._features(part) for part in torch.split(images, IMAGES_AT_ONCE)])

    def _features(self, images: Tensor) -> Tensor:
        size = self.form.size
        if size and tuple(images.shape[2:]) != (size, size):
            images = F.interpolate(images, (size, size), mode=self.form.interpolation, antialias=True).clamp(0, 1)
        images = (images.expand(-1, 3, -1, -1) - self.mean) / self.std
        features = self.model(images.contiguous(memory_format=torch.channels_last))
        if isinstance(features, tuple):  # of networks with a second output in training
            features = features[0]
        return features.flatten(1) if isinstance(features, Tensor) else features
