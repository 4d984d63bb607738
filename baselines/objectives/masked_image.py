"""Masked autoencoder of pictures (He, Chen, Xie, Li, Dollár, Girshick 2022)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones.vit import Block, initialise, positions, vision_transformer
from baselines.objectives._views import CropOptions, Share, crops, flips
from metabench.learner import option
from metabench.objective import LabelledBatch, Layers, PictureObjective, Shape

DEPTH = 2  # of the decoder


class MaskedImage(PictureObjective):
    """Predict the pixels of three patches in four from the others.

    He et al. 2022, section 3: the encoder gets the visible patches alone; a light decoder gets its tokens and a mask
    token in each place of the others, all with positions, and gives pixels. The loss is the squared error on the masked
    patches, each normalised by its own mean and standard deviation. The decoder is then thrown away. Pictures are
    cropped, with no other change. No label is read.

    Differs from the paper: a decoder of two layers and half the width, and no class token.
    """

    @dataclass(frozen=True)
    class Options(CropOptions):
        backbone: str = option("vit", "network of patches: vit, or another width of it")
        least_area: Share = option(0.2, "the least share of a picture that is shown")
        masked: Annotated[float, Field(gt=0, lt=1)] = option(0.75, "the share of the patches that are masked")

    def __init__(self, network: Layers, shape: Shape, options: Options, classes: int) -> None:
        super().__init__(network, shape, options, classes)
        self.options, self.flip = options, flips(options, shape)
        self.encoder = [vision_transformer(network, options.backbone)]  # in a list, as it is a part of `network`
        width, narrow = self.encoder[0].width, max(4, self.encoder[0].width // 8 * 4)
        self.bridge = nn.Linear(width, narrow)
        self.mask = nn.Parameter(0.02 * torch.randn(narrow))
        self.decoder = nn.Sequential(*(Block(narrow) for _ in range(DEPTH)), nn.LayerNorm(narrow))
        self.pixels = nn.Linear(narrow, self.encoder[0].embedding.in_features)
        for part in (self.bridge, self.decoder, self.pixels):
            initialise(part)

    def loss(self, batch: LabelledBatch) -> Tensor:
        with torch.no_grad():
            images = crops(batch.images, (self.options.least_area, 1.0), self.flip)
        return self._error(images)

    def values(self, batches: Iterable[LabelledBatch]) -> dict[str, float]:
        errors = [float(self._error(batch.images)) for batch in batches]
        return {"reconstruction_error": sum(errors) / len(errors)}

    def _error(self, images: Tensor) -> Tensor:
        patches = self.encoder[0].patches(images)
        order = torch.rand(patches.shape[:2], device=images.device).argsort(1)
        visible = min(max(1, round(patches.shape[1] * (1 - self.options.masked))), patches.shape[1] - 1)
        return reconstruction_error(self.predicted(images, order, visible), patches, order[:, visible:])

    def predicted(self, images: Tensor, order: Tensor, visible: int) -> Tensor:
        """The pixels of all patches `[n, T, P]`, from the first so many in an order `[n, T]` of the patches."""
        encoder = self.encoder[0]
        shown = order[:, :visible, None]
        states = encoder.encoded(encoder.embedded(images).take_along_dim(shown, 1))
        tokens = torch.cat([self.bridge(states), self.mask.expand(*order[:, visible:].shape, -1)], dim=1)
        in_place = tokens.take_along_dim(order.argsort(1)[..., None], 1)
        places = positions(*encoder.grid(images), tokens.shape[2], images.device)
        pixels: Tensor = self.pixels(self.decoder(in_place + places))
        return pixels


def reconstruction_error(predicted: Tensor, patches: Tensor, masked: Tensor) -> Tensor:
    """The mean squared error on masked patches, each of which is normalised by its own pixels.

    Args:
        predicted: `[n, T, P]`.
        patches: `[n, T, P]`, the pixels.
        masked: `[n, M]`, which patches count.
    """
    wanted, found = (each.take_along_dim(masked[..., None], 1).float() for each in (patches, predicted))
    spread = wanted.var(2, keepdim=True) + 1e-6  # of a patch of one grey, as most of a character's
    return F.mse_loss(found, (wanted - wanted.mean(2, keepdim=True)) / spread.sqrt())
