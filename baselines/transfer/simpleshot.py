"""SimpleShot (Wang, Chao, Weinberger, van der Maaten 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.bases.pretrained import PretrainedLearner
from baselines.heads.prototypes import prototypes, squared_distances
from metabench.learner import Batches, EpisodeFeatures, LabelledBatch, Paper, Problem, Source, Stage, option


class SimpleShot(PretrainedLearner):
    """The nearest class mean on features of a pre-trained network that are centred and scaled to length 1.

    Wang et al. 2019 (section 2): pre-training on all training classes, the mean of the training features is taken off,
    each feature is scaled to length 1 (CL2N; `transform` has the others of the paper), and a query is of the class
    whose mean is nearest by Euclidean distance.

    Differs from the paper: the mean of the training features is found as the point of least squared distance to them,
    by gradient steps after pre-training, in which the network is as in scoring. The logit of a class is its negative
    squared distance.
    """

    @dataclass(frozen=True)
    class Options(PretrainedLearner.Options):
        transform: Literal["cl2n", "l2n", "un"] = option(
            "cl2n", "of features: centred and of length 1, of length 1, or none"
        )
        centring_steps: Annotated[int, Field(ge=0)] = option(
            100, "transform=cl2n: steps that find the mean of the training features"
        )

    source: ClassVar = Source(
        "transfer",
        (
            Paper(
                "Wang, Yan and Chao, Wei-Lun and Weinberger, Kilian Q. and van der Maaten, Laurens",
                "SimpleShot: Revisiting Nearest-Neighbor Classification for Few-Shot Learning",
                2019,
                "https://arxiv.org/abs/1911.04623",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: SimpleShot.Options = options
        self.centre = Centre(self.head.in_features)  # type: ignore[arg-type]

    def idle_options(self) -> Mapping[str, str]:
        return {} if self.options.transform == "cl2n" else {"centring_steps": f"transform is {self.options.transform}"}

    def stages(self) -> Sequence[Stage]:
        if self.options.transform != "cl2n":
            return super().stages()
        steps = replace(
            self.options,
            steps=self.options.centring_steps,
            optimizer="sgd",
            learning_rate=0.1,
            weight_decay=0.0,
            schedule="cosine",
        )
        data = Batches(self.options.batch_size)
        return [*super().stages(), Stage("centre", data, self.centring_loss, self.centre, steps)]

    def scoring_parameters(self) -> int:
        return super().scoring_parameters() + (self.centre.point.numel() if self.options.transform == "cl2n" else 0)

    def centring_loss(self, batch: LabelledBatch) -> Tensor:
        with torch.no_grad():
            features = self.backbone(batch.images)
        distances: Tensor = self.centre(features).square().sum(1)
        return distances.mean() / 2

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        if self.options.transform == "cl2n":
            features = self.centre(features)
        return features if self.options.transform == "un" else F.normalize(features, dim=1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        centres = prototypes(features.support, features.support_labels, features.ways)
        return -squared_distances(features.query, centres)


class Centre(nn.Module):
    """Takes a learned point off features."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.zeros(features))

    def forward(self, features: Tensor) -> Tensor:
        return features - self.point
