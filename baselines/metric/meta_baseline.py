"""Meta-Baseline (Chen, Liu, Xu, Darrell, Wang 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.bases.two_stages import TwoStageLearner
from baselines.heads.cosine import cosines
from baselines.heads.prototypes import prototypes
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class MetaBaseline(TwoStageLearner):
    """Pre-train on all training classes, then train on episodes the cosine to class means, times a learned number.

    Chen et al. 2021: Classifier-Baseline is what pre-training gives (section 3.2); Meta-Baseline goes on from there on
    episodes (section 3.3, equation 3), with a learned factor of the cosines that begins at 10.

    Differs from the paper: a training step has one episode of up to 20 ways, not four of as many ways as at test; Adam
    with a cosine schedule takes the place of momentum.
    """

    @dataclass(frozen=True)
    class Options(TwoStageLearner.Options):
        scale: Positive = option(10.0, "factor of the cosines at the start of training")

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Chen, Yinbo and Liu, Zhuang and Xu, Huijuan and Darrell, Trevor and Wang, Xiaolong",
                "Meta-Baseline: Exploring Simple Meta-Learning for Few-Shot Learning",
                2021,
                "https://arxiv.org/abs/2003.04390",
                "ICCV",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.scale = nn.Parameter(torch.tensor(options.scale))

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        centres = prototypes(features.support, features.support_labels, features.ways)
        return self.scale * cosines(features.query, centres)
