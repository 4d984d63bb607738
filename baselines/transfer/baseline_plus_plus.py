"""Baseline++ (Chen, Liu, Kira, Wang, Huang 2019)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.bases.pretrained import CLOSER_LOOK, PretrainedLearner
from baselines.heads.cosine import cosines
from baselines.heads.prototypes import prototypes
from metabench.learner import EpisodeFeatures, Positive, Problem, Source, option

MOMENTUM = DAMPENING = 0.9  # of the paper's code
DECAY = 1e-3


class BaselinePlusPlus(PretrainedLearner):
    """Pre-train with a head that compares by cosine; each task trains such a head of its own on the frozen features.

    Chen et al. 2019 (section 3.2): a class is a weight vector, and its logit a factor times the cosine of the feature
    to it, both in pre-training and in the fine-tuning on a task's support: 100 steps (section 4.1), in the paper's code
    at rate 0.01 with momentum 0.9, dampening 0.9 and weight decay 0.001.

    Differs from the paper: a task's head begins at the class means of its support, scaled to length 1, not at random,
    so that the result follows from the task alone; each step takes the whole support, not 4 items of it. Support images
    are not augmented.
    """

    @dataclass(frozen=True)
    class Options(PretrainedLearner.Options):
        scale: Positive = option(10.0, "factor of the cosines, in pre-training and in tasks")
        tuning_steps: Annotated[int, Field(ge=0)] = option(100, "gradient steps of a task's head on its support")
        tuning_rate: Positive = option(0.01, "their learning rate")

    source: ClassVar = Source(
        "transfer",
        (CLOSER_LOOK,),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: BaselinePlusPlus.Options = options

    def new_head(self, features: int, classes: int) -> nn.Module:
        options = self.options
        assert isinstance(options, BaselinePlusPlus.Options)
        return CosineHead(features, classes, options.scale)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        return features

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        weight = self._tuned(features)
        return self.options.scale * cosines(features.query, weight)

    def after_steps(self, steps: int) -> BaselinePlusPlus:
        other = copy.deepcopy(self)
        other.options = replace(self.options, tuning_steps=steps)
        return other

    def _tuned(self, features: EpisodeFeatures) -> Tensor:
        """The weight vectors of each task's classes after fine-tuning, `[B, N, D]`."""
        support, labels = features.support.detach(), features.support_labels
        weight = F.normalize(prototypes(support, labels, features.ways), dim=2).requires_grad_()
        optimizer = torch.optim.SGD(
            [weight], lr=self.options.tuning_rate, momentum=MOMENTUM, dampening=DAMPENING, weight_decay=DECAY
        )
        with torch.enable_grad():
            for _ in range(self.options.tuning_steps):
                logits = self.options.scale * cosines(support, weight)
                # A sum over tasks of their means: each task's gradient is its own, whatever is beside it.
                loss = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / labels.shape[1]
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return weight.detach()


class CosineHead(nn.Module):
    """A factor times the cosine of a feature to the weight vector of each class (Chen et al. 2019, section 3.2)."""

    def __init__(self, features: int, classes: int, scale: float) -> None:
        super().__init__()
        # As small as in the paper's code: Adam turns a longer vector by less in each step.
        self.weight = nn.Parameter(torch.empty(classes, features).uniform_(-1, 1) / features**0.5)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * cosines(features[None], self.weight[None])[0]
