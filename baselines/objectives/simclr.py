"""SimCLR (Chen, Kornblith, Norouzi, Hinton 2020)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.objectives._contrast import nt_xent
from baselines.objectives._views import Share, ViewOptions, crops, flips, recoloured
from metabench.learner import Count, Positive, option
from metabench.objective import LabelledBatch, Layers, PictureObjective, Shape


class SimCLR(PictureObjective):
    """A picture is to be found again, in another crop and other colours, among the other pictures of the batch.

    Chen et al. 2020, section 2 and algorithm 1: the loss is `nt_xent` of what a head of one hidden layer makes of the
    features; the head is then thrown away. No label is read. The temperature is the best of their table 5.

    Differs from the paper: AdamW in place of LARS, smaller batches, and larger crops, in place of a least area of 0.08:
    that of grey pictures was chosen by validation on `glyphs`.
    """

    @dataclass(frozen=True)
    class Options(ViewOptions):
        least_area: Share | None = option(
            None, "the least share of a picture that a view shows; none: 0.2, of grey pictures 0.5"
        )
        temperature: Positive = option(0.1, "by which cosines are divided")
        projection: Count = option(128, "outputs of the head")

    def __init__(self, network: Layers, shape: Shape, options: Options, classes: int) -> None:
        super().__init__(network, shape, options, classes)
        self.options, self.flip = options, flips(options, shape)
        self.areas = options.least_area or (0.2 if shape[0] == 3 else 0.5), 1.0
        size = feature_size(network, shape)
        self.head = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, options.projection))

    def loss(self, batch: LabelledBatch) -> Tensor:
        with torch.no_grad():
            views = [self.view(batch.images) for _ in range(2)]
        first, second = self.head(self.network(torch.cat(views))).float().chunk(2)
        return nt_xent(first, second, self.options.temperature)

    def view(self, images: Tensor) -> Tensor:
        """Another one of each picture."""
        return recoloured(crops(images, self.areas, self.flip), self.options.colour)

    def values(self, batches: Iterable[LabelledBatch]) -> dict[str, float]:
        losses = [float(self.loss(batch)) for batch in batches]
        return {"contrastive_loss": sum(losses) / len(losses)}
