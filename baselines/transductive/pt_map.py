"""PT-MAP: power transform, and class means by optimal transport (Hu, Gripon, Pateux 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.heads.power import power_transform
from baselines.heads.prototypes import prototypes, squared_distances
from baselines.heads.transport import log_transport
from baselines.transductive._unit_length import TransductiveLearner
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class PTMAP(TransductiveLearner):
    """Share the queries evenly among the classes by optimal transport, and move the class means to their shares.

    Hu et al. 2021: features are raised to a power and scaled to length 1 (equation 1); in a task their mean is taken
    off, as in the paper's code, and they are scaled again. The queries are shared by the plan of Sinkhorn's algorithm
    between queries and class means, at the cost of squared distances, each class with as many as any other (equation
    3). Each class mean then moves a part of the way to the mean of its support and its share (equation 6), and so on in
    turn (algorithm 1).

    Differs from the paper: a value below 0 keeps its sign. Support and queries are centred by their common mean, where
    the paper's code has one for each, of which a single query would keep nothing. Fewer queries than classes cannot be
    shared evenly, and the shares of each are then a softmax over its costs.
    """

    @dataclass(frozen=True)
    class Options(TransductiveLearner.Options):
        power: Positive = option(0.5, "that features are raised to")
        sharpness: Positive = option(10.0, "inverse weight of the entropy in the transport")
        updates: Annotated[int, Field(ge=0)] = option(20, "of the class means")
        update_rate: Annotated[float, Field(gt=0, le=1)] = option(0.2, "part of the way that each update goes")

    source: ClassVar = Source(
        "transductive",
        (
            Paper(
                "Hu, Yuqing and Gripon, Vincent and Pateux, Stéphane",
                "Leveraging the Feature Distribution in Transfer-Based Few-Shot Learning",
                2021,
                "https://arxiv.org/abs/2006.03806",
                "ICANN",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: PTMAP.Options = options

    def embed(self, images: Tensor) -> Tensor:
        return power_transform(self.backbone(images), self.options.power)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        labelled, ways = features.support.shape[1], features.ways
        everything = torch.cat([features.support, features.query], dim=1)
        everything = F.normalize(everything - everything.mean(1, keepdim=True), dim=2)
        support, query = everything[:, :labelled], everything[:, labelled:]
        known = F.one_hot(features.support_labels, ways).to(support.dtype)
        centres = prototypes(support, features.support_labels, ways)
        for _ in range(self.options.updates):
            shares = torch.cat([known, self._plan(query, centres).exp()], dim=1).transpose(1, 2)
            found = shares @ everything / shares.sum(2, keepdim=True)
            centres = centres + self.options.update_rate * (found - centres)
        return self._plan(query, centres)

    def _plan(self, query: Tensor, centres: Tensor) -> Tensor:
        """Log-shares `[B, Q, N]`."""
        cost = squared_distances(query, centres)
        if query.shape[1] < centres.shape[1]:
            return torch.log_softmax(-self.options.sharpness * cost, dim=2)
        return log_transport(cost, self.options.sharpness)
