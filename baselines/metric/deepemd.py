"""DeepEMD: earth mover's distance between local features (Zhang, Cai, Lin, Shen 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import feature_map
from baselines.bases.two_stages import TwoStageLearner
from baselines.heads.local import places
from baselines.heads.prototypes import prototypes
from baselines.heads.transport import transport_cost
from metabench.learner import EpisodeFeatures, Kind, LabelledBatch, Paper, Positive, Problem, Source, option

LEAST_WEIGHT = 1e-3  # of a place before weights are normalised, as in the paper's code
MOST_VALUES = 2**24  # of costs at one time


class DeepEMD(TwoStageLearner):
    """Match the local features of a query with those of a class: the better the best matching, the likelier the class.

    Zhang et al. 2020 (section 3): an image is the places of the network's last feature map. Moving one place to another
    costs 1 minus the cosine of their features, and the least cost of moving a query's places to those of a class is the
    earth mover's distance. A place weighs as much as its product with the other image's mean feature, where that is
    positive (cross-reference). The logit is the mean cosine along the best matching times `scale`, 12.5 in the
    paper's code. Pre-training on all training classes comes first, by the mean over places.

    The gradient goes through the optimum as that of a linear programme: the matching is what the costs get, its dual
    potentials are what the weights get.

    Differs from the paper: the matching is that of least cost minus a small multiple of its entropy, by Sinkhorn's
    algorithm for all pairs at once, in place of a linear programme each. Of several shots a class has the mean of their
    maps, where the paper goes on from there by gradient steps on the task (structured fully connected layer). The
    network is `conv4-two-pools` by default, as ResNet-12 has a map of a single place for images of 28 x 28.
    """

    @dataclass(frozen=True)
    class Options(TwoStageLearner.Options):
        backbone: str = option("conv4-two-pools", "network, one of `metabench list backbones` that has a feature map")
        train_ways: Annotated[int, Field(ge=2)] | None = option(
            5, "classes in a training episode; none for 20, or all there are"
        )
        scale: Positive = option(12.5, "factor from mean cosines to logits")

    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
    presets: ClassVar = {
        "glyphs": {"steps": 1000, "episodic_steps": 200},
        "omniglot": {"steps": 4000, "batch_size": 128},
    }
    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Zhang, Chi and Cai, Yujun and Lin, Guosheng and Shen, Chunhua",
                "DeepEMD: Few-Shot Image Classification With Differentiable Earth Mover's Distance and Structured "
                "Classifiers",
                2020,
                "https://arxiv.org/abs/2003.06777",
                "CVPR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: DeepEMD.Options = options
        self.backbone, (self.channels, *_) = feature_map(self.backbone, problem.image_shape)
        self.head = nn.Linear(self.channels, problem.train_classes)

    def pretraining_loss(self, batch: LabelledBatch) -> Tensor:
        return F.cross_entropy(self.head(self.backbone(batch.images).mean((2, 3))), batch.labels)

    def embed(self, images: Tensor) -> Tensor:
        return super().embed(images).flatten(1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        means = prototypes(features.support, features.support_labels, features.ways)
        classes, query = (places(each, self.channels) for each in (means, features.query))
        at_once = max(1, MOST_VALUES // (classes.shape[:3].numel() * query.shape[2]))
        return torch.cat([self._logits(part, classes) for part in torch.split(query, at_once, dim=1)], dim=1)

    def _logits(self, query: Tensor, classes: Tensor) -> Tensor:
        """Logits `[B, Q, N]` of local features `[B, Q, P, C]` and `[B, N, P, C]`."""
        cosines = torch.einsum("bqic,bnjc->bqnij", F.normalize(query, dim=3), F.normalize(classes, dim=3))
        supply = weights(torch.einsum("bqic,bnc->bqni", query, classes.mean(2)))
        demand = weights(torch.einsum("bnjc,bqc->bqnj", classes, query.mean(2)))
        pairs = cosines.shape[:3]
        costs = transport_cost(1 - cosines.flatten(0, 2), supply.flatten(0, 2), demand.flatten(0, 2))
        return self.options.scale * (1 - costs.view(pairs))


def weights(products: Tensor) -> Tensor:
    """Weights of sum 1 over the last dimension, in proportion to what is positive of the products."""
    positive = F.relu(products) + LEAST_WEIGHT
    return positive / positive.sum(-1, keepdim=True)
