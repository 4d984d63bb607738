"""Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.bases.episodic import EpisodicLearner
from baselines.heads.cosine import cosines
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class MatchingNet(EpisodicLearner):
    """Predict the labels of the support, weighted by attention: a softmax over cosines in a learned embedding.

    Vinyals et al. 2016: the probability of a class is the attention that its support gets (equation 1), attention is a
    softmax over cosines (section 2.1.1), and training is on episodes (section 2.2).

    Differs from the paper: no full context embeddings (section 2.1.2), as their LSTM reads the support in an order, and
    a task here has none. Cosines are multiplied by `scale`, as a softmax over numbers from -1 to 1 is nearly flat; 1 is
    the paper's. Training episodes have 20 ways by default, not as many as the test task. One network embeds support
    and query.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        scale: Positive = option(10.0, "factor of the cosines before the softmax; 1 is the paper's")

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Vinyals, Oriol and Blundell, Charles and Lillicrap, Timothy and Kavukcuoglu, Koray and Wierstra, Daan",
                "Matching Networks for One Shot Learning",
                2016,
                "https://arxiv.org/abs/1606.04080",
                "NeurIPS",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: MatchingNet.Options = options

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        attention = torch.softmax(self.options.scale * cosines(features.query, features.support), dim=2)
        shares = attention @ F.one_hot(features.support_labels, features.ways).to(attention.dtype)
        # A large scale leaves a class no share that float32 can tell from 0, whose logarithm is infinite.
        return torch.log(shares.clamp(min=torch.finfo(shares.dtype).tiny))
