"""Tip-Adapter (Zhang, Zhang, Fang, Gao, Li, Dai, Qiao, Li 2022), without a branch for text."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.bases.pretrained import PretrainedLearner
from baselines.heads.cosine import cosines
from baselines.heads.information import descended
from baselines.heads.prototypes import prototypes
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class TipAdapter(PretrainedLearner):
    """Class means by cosine, and a cache: each support item votes for its class by how near it is to the query.

    Zhang et al. 2022 (section 3): the cache's keys are the features of the support, scaled to length 1, its values the
    labels. To the logits of the classifier at hand it adds `residual` times the sum of `exp(-sharpness * (1 - cosine))`
    over the items of each class. Tip-Adapter-F tunes the keys on the support, here in `tuning_steps`; with 0 it is the
    Tip-Adapter without training.

    Differs from the paper: the classifier at hand is `scale` times the cosine to the class means of the support, as
    networks without CLIP's encoder of texts have none. The weights of the cache are options, not searched for. A step
    takes the whole support, without augmentation, by Adam at a constant rate.
    """

    @dataclass(frozen=True)
    class Options(PretrainedLearner.Options):
        residual: Positive = option(1.0, "weight of the cache beside the class means")
        sharpness: Positive = option(5.5, "how fast the vote of an item falls with its distance")
        scale: Positive = option(10.0, "factor of the cosines to the class means")
        tuning_steps: Annotated[int, Field(ge=0)] = option(20, "gradient steps of a task's keys on its support")
        tuning_rate: Positive = option(1e-3, "their learning rate")

    source: ClassVar = Source(
        "transfer",
        (
            Paper(
                "Zhang, Renrui and Zhang, Wei and Fang, Rongyao and Gao, Peng and Li, Kunchang and Dai, Jifeng and "
                "Qiao, Yu and Li, Hongsheng",
                "Tip-Adapter: Training-free Adaption of CLIP for Few-shot Classification",
                2022,
                "https://arxiv.org/abs/2207.09519",
                "ECCV",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: TipAdapter.Options = options

    def idle_options(self) -> Mapping[str, str]:
        return {} if self.options.tuning_steps else {"tuning_rate": "tuning_steps is 0"}

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        options, support, labels = self.options, features.support, features.support_labels
        means, values = prototypes(support, labels, features.ways), F.one_hot(labels, features.ways).to(support.dtype)

        def logits(query: Tensor, keys: Tensor) -> Tensor:
            votes = torch.exp(-options.sharpness * (1 - query @ keys.transpose(1, 2)))
            return options.scale * cosines(query, means) + options.residual * votes @ values

        def loss(keys: Tensor) -> Tensor:
            surprise = -torch.log_softmax(logits(support, keys), dim=2).gather(2, labels[..., None])
            return surprise.mean((1, 2))

        keys = descended(support, loss, options.tuning_steps, options.tuning_rate)
        return logits(features.query, keys)

    def after_steps(self, steps: int) -> TipAdapter:
        other = copy.deepcopy(self)
        other.options = replace(self.options, tuning_steps=steps)
        return other
