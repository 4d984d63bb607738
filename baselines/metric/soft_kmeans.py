"""Soft k-means with masks or with a cluster of distractors (Ren et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.heads.prototypes import prototypes, squared_distances
from baselines.metric.protonet import SEMI_SUPERVISED, ProtoNet
from metabench.learner import Count, EpisodeFeatures, Problem, Source, option

HIDDEN = 20  # units of the network for masks, as in the paper's code
SMALL = 1e-6


class SoftKMeans(ProtoNet):
    """Prototypical networks whose prototypes move to a task's unlabelled items, with a guard against distractors.

    Ren et al. 2018: `guard=masked` (section 3.1.3) weighs how much an unlabelled item counts for a class by a mask,
    whose threshold and slope a small network makes of the statistics of all distances to the class; `guard=cluster`
    (section 3.1.2) has a further cluster at the origin, of a learned width, that takes items of no class. Without a
    guard (section 3.1.1) it is `protonet --set refine_steps=1`, and in tasks without unlabelled items it is `protonet`.

    Differs from the paper: masks begin with threshold and slope 1, whatever the distances.
    """

    @dataclass(frozen=True)
    class Options(ProtoNet.Options):
        refine_steps: Count = option(1, "steps of soft k-means on a task's unlabelled items")
        guard: Literal["masked", "cluster"] = option("masked", "against items of no class: masks, or a further cluster")

    source: ClassVar = Source("metric", (SEMI_SUPERVISED,))
    semi_supervised = True

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: SoftKMeans.Options = options
        if options.guard == "cluster":
            self.log_width = nn.Parameter(torch.zeros(()))
            return
        self.masks = nn.Sequential(nn.Linear(5, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, 2))
        last = self.masks[2]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.ones_(last.bias)

    def idle_options(self) -> Mapping[str, str]:
        idle = super().idle_options()
        return {**idle, "guard": idle["refine_steps"]} if idle else {}

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        centres = prototypes(features.support, features.support_labels, features.ways)
        if features.unlabelled is not None:
            known = F.one_hot(features.support_labels, features.ways).to(features.support.dtype)
            everything = torch.cat([features.support, features.unlabelled], dim=1)
            for _ in range(self.options.refine_steps):
                shares = self._shares(squared_distances(features.unlabelled, centres), features.unlabelled)
                weights = torch.cat([known, shares], dim=1).transpose(1, 2)
                centres = weights @ everything / weights.sum(2, keepdim=True)
        return -squared_distances(features.query, centres)

    def _shares(self, distances: Tensor, items: Tensor) -> Tensor:
        """How much each class takes of each unlabelled item, `[B, U, N]`, by its squared distances of that shape."""
        if self.options.guard == "cluster":
            # The width scales a density too, so its logarithm is taken off.
            other = -items.square().sum(2, keepdim=True) * (-2 * self.log_width).exp() - self.log_width
            return torch.softmax(torch.cat([-distances, other], dim=2), dim=2)[..., :-1]
        relative = distances / (distances.mean(1, keepdim=True) + SMALL)
        threshold, slope = self.masks(statistics(relative)).unbind(2)
        masks = torch.sigmoid(-slope.unsqueeze(1) * (relative - threshold.unsqueeze(1)))
        return torch.softmax(-distances, dim=2) * masks


def statistics(values: Tensor) -> Tensor:
    """Minimum, maximum, variance, skewness and kurtosis over the second dimension of `[B, U, N]`: `[B, N, 5]`."""
    centred = values - values.mean(1, keepdim=True)
    second, third, fourth = (centred.pow(power).mean(1) for power in (2, 3, 4))
    # Of values that are all alike the last two are 0.
    skewness, kurtosis = third / (second + SMALL).pow(1.5), fourth / (second + SMALL).square()
    return torch.stack([values.amin(1), values.amax(1), second, skewness, kurtosis], dim=2)
