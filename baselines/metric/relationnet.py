"""Relation networks (Sung, Yang, Zhang, Xiang, Torr, Hospedales 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.bases.episodic import EpisodicLearner
from baselines.heads.prototypes import prototypes
from metabench.learner import Count, EpisodeFeatures, LabelledEpisodeBatch, Paper, Problem, Source, option

MOST_VALUES = 2**24  # of hidden units at one time


class RelationNet(EpisodicLearner):
    """A small network says from the features of a class and of a query, side by side, how much they belong together.

    Sung et al. 2018: the relation score (equation 1), the squared error of its sigmoid to 1 for the right class and 0
    for the others (equation 2), training on episodes. Logits are the scores before their sigmoid.

    Differs from the paper: backbones give vectors, so that the relation module is a perceptron with one hidden layer on
    them, not convolutions on feature maps. Of several shots a class has their mean, not their sum, so that its size
    does not depend on their number.

    It learns slowly, as 0 for every class is nearly right when there are many. Training episodes therefore have 5 ways
    by default, as in the paper: on `glyphs` 800 steps gave 80.0% on validation tasks, and with 20 ways 73.5%.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        train_ways: Annotated[int, Field(ge=2)] | None = option(
            5, "classes in a training episode; none for 20, or all there are"
        )
        train_queries: Count = option(15, "query images per class in training")
        relation_width: Count = option(64, "hidden units of the relation module")

    presets: ClassVar = {
        **EpisodicLearner.presets,
        "glyphs": {"steps": 1600},
        "omniglot": {"steps": 4000},
    }
    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Sung, Flood and Yang, Yongxin and Zhang, Li and Xiang, Tao and Torr, Philip H. S. and "
                "Hospedales, Timothy M.",
                "Learning to Compare: Relation Network for Few-Shot Learning",
                2018,
                "https://arxiv.org/abs/1711.06025",
                "CVPR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.relation = Relation(feature_size(self.backbone, problem.image_shape), options.relation_width)

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        scores = torch.sigmoid(self.classify(episodes))
        return F.mse_loss(scores, F.one_hot(episodes.query_labels, episodes.ways).to(scores.dtype))

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        centres = prototypes(features.support, features.support_labels, features.ways)
        logits: Tensor = self.relation(centres, features.query)
        return logits


class Relation(nn.Module):
    """Scores `[B, Q, N]` of classes `[B, N, D]` and queries `[B, Q, D]`, by a hidden layer on both side by side."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.hidden, self.score = nn.Linear(2 * features, width), nn.Linear(width, 1)

    def forward(self, classes: Tensor, query: Tensor) -> Tensor:
        # A layer of two vectors side by side is the sum of two layers, which costs Q + N products in place of Q * N.
        of_class, of_query = self.hidden.weight.chunk(2, dim=1)
        first, second = F.linear(classes, of_class, self.hidden.bias), F.linear(query, of_query)
        at_once = max(1, MOST_VALUES // first.numel())
        parts = [self.score(F.relu(part[:, :, None] + first[:, None])) for part in torch.split(second, at_once, dim=1)]
        return torch.cat(parts, dim=1).squeeze(3)
