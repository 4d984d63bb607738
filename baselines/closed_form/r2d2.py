"""R2-D2: ridge regression differentiable discriminator (Bertinetto, Henriques, Torr, Vedaldi 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.bases.episodic import EpisodicLearner
from baselines.heads.ridge import ridge_head
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class R2D2(EpisodicLearner):
    """Solve each task by ridge regression in closed form, on an embedding that is trained through its solution.

    Bertinetto et al. 2019 (section 3.2): the weights by equation 5, whose matrix has the size of the support; the
    penalty is learned with the embedding, and so is the scale that makes logits of predictions (equation 6).

    Differs from the paper: each class has an intercept without a penalty, where the paper's code appends a 1 to the
    features. The bias of equation 6 is left out: it is one number for all classes, of which a softmax sees nothing.
    The network is the backbone, without the paper's outputs of two depths. Training episodes have 20 ways and the shots
    of the test task by default, and the penalty begins at 10, which did better than 1 on validation tasks of `glyphs`.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        ridge: Positive = option(10.0, "penalty of the ridge regression at the start of training")
        scale: Positive = option(10.0, "factor from predictions to logits at the start of training")

    source: ClassVar = Source(
        "closed form",
        (
            Paper(
                "Bertinetto, Luca and Henriques, João F. and Torr, Philip H. S. and Vedaldi, Andrea",
                "Meta-learning with Differentiable Closed-form Solvers",
                2019,
                "https://arxiv.org/abs/1805.08136",
                "ICLR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        # By their logarithms, so that both stay positive.
        self.log_ridge = nn.Parameter(torch.tensor(math.log(options.ridge)))
        self.log_scale = nn.Parameter(torch.tensor(math.log(options.scale)))

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        # A linear system has no solution in bfloat16.
        with torch.autocast(features.support.device.type, enabled=False):
            weight, bias = ridge_head(features.support, features.support_labels, features.ways, self.log_ridge.exp())
            return self.log_scale.exp() * (features.query @ weight + bias)
