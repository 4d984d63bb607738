"""DN4: deep nearest neighbour neural network (Li, Wang, Xu, Huo, Gao, Luo 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.backbones import feature_map
from baselines.bases.episodic import EpisodicLearner
from baselines.heads.local import places
from metabench.errors import UsageError
from metabench.learner import Count, EpisodeFeatures, Kind, Paper, Problem, Source, option

MOST_VALUES = 2**24  # of cosines at one time


class DN4(EpisodicLearner):
    """Compare each local feature of a query with those of a class that are most like it, by cosine.

    Li et al. 2019 (section 3): an image is the places of the network's last feature map, and a class all places of its
    support. The logit of a class is the sum, over the query's places, of the cosines to the k nearest places of the
    class, with k = 3. The embedding is trained on episodes with a softmax over these sums.

    `conv4-two-pools` is the paper's network, whose map has 7 x 7 places for images of 28 x 28. A backbone whose map has
    a single place there, as `conv4`, is refused.

    Differs from the paper: ReLU, not leaky ReLU, and images are not augmented. Training episodes have 20 ways by
    default, not as many as the test task.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        backbone: str = option("conv4-two-pools", "network, one of `metabench list backbones` that has a feature map")
        neighbours: Count = option(3, "k, the nearest places of a class that count for each place of a query")

    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
    presets: ClassVar = {name: EpisodicLearner.presets[name] for name in ("glyphs", "omniglot")}
    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Li, Wenbin and Wang, Lei and Xu, Jinglin and Huo, Jing and Gao, Yang and Luo, Jiebo",
                "Revisiting Local Descriptor Based Image-to-Class Measure for Few-Shot Learning",
                2019,
                "https://arxiv.org/abs/1903.12290",
                "CVPR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: DN4.Options = options
        self.backbone, (self.channels, height, width) = feature_map(self.backbone, problem.image_shape)
        if options.neighbours > height * width:
            raise UsageError(
                f"neighbours={options.neighbours} is more than the {height * width} places of an image in "
                f"backbone '{options.backbone}'; give at most {height * width}"
            )

    def embed(self, images: Tensor) -> Tensor:
        return super().embed(images).flatten(1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        support, query = (
            F.normalize(places(each, self.channels), dim=3) for each in (features.support, features.query)
        )
        members, there = of_classes(features.support_labels, features.ways)
        task = torch.arange(len(support), device=support.device)[:, None, None]
        pools = support[task, members].flatten(2, 3)  # [B, N, K * P, C]
        missing = ~there.repeat_interleave(support.shape[2], dim=2)[:, None, None]
        at_once = max(1, MOST_VALUES // (pools.shape[:3].numel() * query.shape[2]))
        sums = []
        for part in torch.split(query, at_once, dim=1):
            cosines = torch.einsum("bqpc,bnkc->bqpnk", part, pools).masked_fill(missing, -torch.inf)
            sums.append(cosines.topk(self.options.neighbours, dim=4).values.sum((2, 4)))
        return torch.cat(sums, dim=1)


def of_classes(labels: Tensor, ways: int) -> tuple[Tensor, Tensor]:
    """Which items each class has: their numbers `[B, N, K]`, K being the most of any class, and which there are.

    Args:
        labels: `[B, S]`.
        ways: N.
    """
    counts = F.one_hot(labels, ways).sum(1)
    slots = torch.arange(int(counts.max()), device=labels.device)
    ranks = (counts.cumsum(1) - counts)[:, :, None] + slots
    order = labels.argsort(dim=1, stable=True)
    members = order.gather(1, ranks.flatten(1).clamp(max=labels.shape[1] - 1)).view_as(ranks)
    return members, slots < counts[:, :, None]
