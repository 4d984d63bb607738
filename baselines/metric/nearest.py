"""The nearest labelled image, pixel by pixel: what a learner must beat to have learned anything of images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from metabench.learner import Learner


class Nearest(Learner):
    """Answer as the nearest support image does, by the Euclidean distance of pixels; needs no training.

    The nearest-neighbour rule of Cover and Hart 1967, a floor in few-shot papers since Lake et al. 2011 and Vinyals et
    al. 2016 ("pixels"). The logit of a class is the negative distance to its nearest support image.
    """

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), "backbone": "the learner has no network"}

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> tuple[Tensor, Tensor, int]:
        return support.flatten(2), support_labels, ways

    def predict(self, adapted: tuple[Tensor, Tensor, int], query: Tensor) -> Tensor:
        support, labels, ways = adapted
        # By differences, not by the faster matrix product, whose rounding breaks ties of like images.
        distances = torch.cdist(query.flatten(2), support, compute_mode="donot_use_mm_for_euclid_dist")
        own_class = labels[:, None, :] == torch.arange(ways, device=labels.device)[:, None]  # [B, N, S]
        nearest = [distances.masked_fill(~own_class[:, [way]], torch.inf).amin(2) for way in range(ways)]
        return -torch.stack(nearest, dim=2)
