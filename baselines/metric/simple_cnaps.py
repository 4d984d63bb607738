"""Simple CNAPS: class means with class covariances (Bateni, Goyal, Masrani, Wood, Sigal 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from baselines.bases.episodic import EpisodicLearner
from baselines.heads.mahalanobis import class_covariances, mahalanobis
from baselines.heads.prototypes import prototypes
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class SimpleCNAPS(EpisodicLearner):
    """Classify by the nearest class mean in a learned embedding, by a Mahalanobis distance of each class's own.

    Bateni et al. 2020 (section 4): a logit is minus half of the squared Mahalanobis distance to the class mean. The
    covariance of a class is shrunk towards that of the whole support, the more the fewer shots there are, and has the
    identity times `ridge` added, 1 in the paper.

    Differs from the paper: it is the classifier alone. The network that adapts the embedding to a task (CNAPS) is left
    out, so that a test task changes the distance and not the embedding; the embedding is trained on episodes with this
    classifier from random weights, not by FiLM layers on a network that ImageNet has pre-trained.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        ridge: Positive = option(1.0, "of the identity in a class's covariance")

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Bateni, Peyman and Goyal, Raghav and Masrani, Vaden and Wood, Frank and Sigal, Leonid",
                "Improved Few-Shot Visual Classification",
                2020,
                "https://arxiv.org/abs/1912.03432",
                "CVPR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: SimpleCNAPS.Options = options

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        support, labels, ways = features.support, features.support_labels, features.ways
        # A matrix has no factors in bfloat16; with `ridge` as its least eigenvalue it has in float32.
        with torch.autocast(support.device.type, enabled=False):
            covariances = class_covariances(support, labels, ways, self.options.ridge)
            return -mahalanobis(features.query, prototypes(support, labels, ways), covariances) / 2
