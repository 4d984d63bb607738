"""The nearest labelled item, pixel by pixel or word by word: what a learner must beat to have learned anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from baselines.heads.bags import bags
from metabench.learner import Kind, Learner, Paper, Source


class Nearest(Learner):
    """Answer as the nearest support item does, by the Euclidean distance of pixels or of token counts; untrained.

    The nearest-neighbour rule of Cover and Hart 1967, a floor in few-shot papers since Lake et al. 2011 and Vinyals et
    al. 2016 ("pixels"). The logit of a class is the negative distance to its nearest support item.
    """

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Cover, Thomas M. and Hart, Peter E.",
                "Nearest Neighbor Pattern Classification",
                1967,
                "https://doi.org/10.1109/TIT.1967.1053964",
                "IEEE Transactions on Information Theory",
                "article",
            ),
        ),
    )
    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")

    def idle_options(self) -> Mapping[str, str]:
        return {**super().idle_options(), "backbone": "the learner has no network"}

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> tuple[Tensor, Tensor, int]:
        return support, support_labels, ways

    def predict(self, adapted: tuple[Tensor, Tensor, int], query: Tensor) -> Tensor:
        support, labels, ways = adapted
        if support.is_floating_point():
            support, query = support.flatten(2), query.flatten(2)
        else:
            _, counts = bags(torch.cat([support, query], dim=1))
            support, query = torch.split(counts, [support.shape[1], query.shape[1]], dim=1)
        # By differences, not by the faster matrix product, whose rounding breaks ties of like items.
        distances = torch.cdist(query, support, compute_mode="donot_use_mm_for_euclid_dist")
        own_class = labels[:, None, :] == torch.arange(ways, device=labels.device)[:, None]  # [B, N, S]
        nearest = [distances.masked_fill(~own_class[:, [way]], torch.inf).amin(2) for way in range(ways)]
        return -torch.stack(nearest, dim=2)


class Pixels(Nearest):
    """The same of images alone: a floor. The floor of texts is `tfidf`."""

    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
