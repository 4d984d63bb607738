"""Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu, Wierstra 2016)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.bases.episodic import EpisodicLearner
from baselines.heads.cosine import cosines
from metabench.learner import Count, EpisodeFeatures, Paper, Positive, Problem, Source, option


class MatchingNet(EpisodicLearner):
    """Predict the labels of the support, weighted by attention: a softmax over cosines in a learned embedding.

    Vinyals et al. 2016: the probability of a class is the attention that its support gets (equation 1), attention is a
    softmax over cosines (section 2.1.1), and training is on episodes (section 2.2). With `context=true` support and
    query are embedded in the context of the whole support (section 2.1.2): an LSTM reads the support in both directions
    (appendix A.2), and another one each query, with attention over the support (appendix A.1).

    Differs from the paper: cosines are multiplied by `scale`, as a softmax over numbers from -1 to 1 is nearly flat; 1
    is the paper's. Training episodes have 20 ways by default, not as many as the test task. One network embeds support
    and query. The LSTM of `context=true` reads the support in the order of a fixed weighted sum of an item's features:
    a task here has no order, and neither the order in which items are given nor a label's name makes a difference.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        scale: Positive = option(10.0, "factor of the cosines before the softmax; 1 is the paper's")
        context: bool = option(False, "embed support and query in the context of the whole support")
        reads: Count = option(5, "context=true: how often the LSTM of a query looks at the support")

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
        size = feature_size(self.backbone, problem.image_shape)
        self.context = FullContext(size, options.reads) if options.context else None

    def idle_options(self) -> Mapping[str, str]:
        return super().idle_options() if self.options.context else {"reads": "context is false"}

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        if self.context:
            support, query = self.context(features.support, features.query)
            features = replace(features, support=support, query=query)
        attention = torch.softmax(self.options.scale * cosines(features.query, features.support), dim=2)
        shares = attention @ F.one_hot(features.support_labels, features.ways).to(attention.dtype)
        # A large scale leaves a class no share that float32 can tell from 0, whose logarithm is infinite.
        return torch.log(shares.clamp(min=torch.finfo(shares.dtype).tiny))


class FullContext(nn.Module):
    """Support and queries, each embedded in the context of the whole support (Vinyals et al. 2016, appendix A).

    Args:
        features: D.
        reads: K, the steps of a query's LSTM.
    """

    def __init__(self, features: int, reads: int) -> None:
        super().__init__()
        self.reads = reads
        self.of_support = nn.LSTM(features, features, batch_first=True, bidirectional=True)
        self.of_query = nn.LSTMCell(2 * features, features)

    def forward(self, support: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of supports `[B, S, D]` and of queries `[B, Q, D]`, of the same shapes."""
        support = self._support(support)
        # Equations 3 to 6 of appendix A.1, from a hidden state and a cell of 0.
        hidden = cell = torch.zeros_like(query).flatten(0, 1)
        for _ in range(self.reads):
            attention = torch.softmax(hidden.view_as(query) @ support.transpose(1, 2), dim=2)
            given = torch.cat([query, attention @ support], dim=2).flatten(0, 1)
            hidden, cell = self.of_query(given, (hidden, cell))
            hidden = hidden + query.flatten(0, 1)
        return support, hidden.view_as(query)

    def _support(self, support: Tensor) -> Tensor:
        """Appendix A.2: each item, plus what the LSTM has read up to it, from the first on and from the last on."""
        # Weights that differ, as layer normalisation gives all features the sum 0.
        along = torch.linspace(0, 1, support.shape[2], dtype=support.dtype, device=support.device)
        order = (support * along).sum(2).argsort(dim=1, stable=True)[..., None].expand_as(support)
        read: Tensor = self.of_support(support.gather(1, order))[0]
        forwards, backwards = read.chunk(2, dim=2)
        return support + torch.zeros_like(support).scatter(1, order, forwards + backwards)
