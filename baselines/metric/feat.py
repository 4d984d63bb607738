"""FEAT: few-shot embedding adaptation with a transformer (Ye, Hu, Zhan, Sha 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.bases.two_stages import TwoStageLearner
from baselines.heads.cosine import cosines
from baselines.heads.prototypes import prototypes
from metabench.learner import EpisodeFeatures, LabelledEpisodeBatch, Paper, Positive, Problem, Source, option


class FEAT(TwoStageLearner):
    """Adapt the prototypes of a task to each other by self-attention; a query is of the class that is most alike.

    Ye et al. 2020: prototypes are adapted as a set by one layer of self-attention with one head; pre-training on all
    training classes comes first. In training on episodes a second term, their contrastive learning of set-to-set
    functions, draws items to the adapted centre of their own class: all items of a class, queries included, are adapted
    as a set, and their mean is its centre.

    Differs from the paper: likeness is the cosine times a learned factor, which needs no temperature for each size of
    features, in place of the negative squared distance. The last layer begins at 0, so that training on episodes begins
    from plain prototypes. No dropout. A training step has one episode of up to 20 ways.
    """

    @dataclass(frozen=True)
    class Options(TwoStageLearner.Options):
        scale: Positive = option(10.0, "factor of the cosines at the start of training")
        contrast: Annotated[float, Field(ge=0, allow_inf_nan=False)] = option(
            0.1, "weight of the second term of the loss, on centres of all items"
        )

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Ye, Han-Jia and Hu, Hexiang and Zhan, De-Chuan and Sha, Fei",
                "Few-Shot Learning via Embedding Adaptation with Set-to-Set Functions",
                2020,
                "https://arxiv.org/abs/1812.03664",
                "CVPR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: FEAT.Options = options
        self.scale = nn.Parameter(torch.tensor(options.scale))
        self.adapted = SetToSet(feature_size(self.backbone, problem.image_shape))

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        images = torch.cat([episodes.support, episodes.query], dim=1).flatten(0, 1)
        labels = torch.cat([episodes.support_labels, episodes.query_labels], dim=1)
        items = self.embed(images).view(*labels.shape, -1)
        support, query = torch.split(items, [episodes.support_labels.shape[1], episodes.query_labels.shape[1]], dim=1)
        logits = self.classify_features(EpisodeFeatures(support, episodes.support_labels, query, episodes.ways))
        loss = F.cross_entropy(logits.flatten(0, 1), episodes.query_labels.flatten())
        alike = self.scale * cosines(items, self.centres(items, labels, episodes.ways))
        return loss + self.options.contrast * F.cross_entropy(alike.flatten(0, 1), labels.flatten())

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        centres = prototypes(features.support, features.support_labels, features.ways)
        return self.scale * cosines(features.query, self.adapted(centres))

    def centres(self, items: Tensor, labels: Tensor, ways: int) -> Tensor:
        """The mean of each class's items, adapted to each other, `[B, N, D]`."""
        together = labels[:, :, None] == labels[:, None, :]
        return prototypes(self.adapted(items, together), labels, ways)


class SetToSet(nn.Module):
    """Self-attention with one head, a residual connection and a layer norm, as in a transformer (Ye et al. 2020)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.asked, self.keys, self.values = (nn.Linear(features, features, bias=False) for _ in range(3))
        self.last = nn.Linear(features, features)
        self.norm = nn.LayerNorm(features)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, items: Tensor, together: Tensor | None = None) -> Tensor:
        """Items `[B, n, D]` adapted to each other.

        Args:
            items: the members of B sets.
            together: `[B, n, n]`, which items see each other; each sees itself. None for all.
        """
        attended = F.scaled_dot_product_attention(self.asked(items), self.keys(items), self.values(items), together)
        adapted: Tensor = self.norm(items + self.last(attended))
        return adapted
