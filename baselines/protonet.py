"""Prototypical networks (Snell, Swersky, Zemel 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.backbones import build_backbone
from metabench.learner import (
    Count,
    EmbeddingLearner,
    EpisodeBatch,
    Episodes,
    FixedTask,
    Problem,
    Stage,
    TrainingOptions,
    option,
)


def prototypes(support: Tensor, labels: Tensor, ways: int) -> Tensor:
    """Mean feature of each class, `[B, N, D]` (Snell et al. 2017, equation 1), from `[B, N*K, D]` and `[B, N*K]`."""
    members = F.one_hot(labels, ways).to(support.dtype).transpose(1, 2)
    return members @ support / members.sum(2, keepdim=True)


def squared_distances(query: Tensor, centres: Tensor) -> Tensor:
    """Squared Euclidean distances `[B, Q, N]` between `[B, Q, D]` and `[B, N, D]`."""
    return (query.unsqueeze(2) - centres.unsqueeze(1)).square().sum(3)


class ProtoNet(EmbeddingLearner):
    """Classify by the nearest class mean in a learned embedding, by squared Euclidean distance.

    Snell et al. 2017: prototypes (equation 1), softmax over negative distances (equation 2), episodes of more ways
    than at test (section 3.1). Differs from the paper: the learning rate follows a cosine by default
    (`schedule=halving` is the paper's).
    """

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        train_ways: Annotated[int, Field(ge=2)] | None = option(
            None, "classes in a training episode; default 20, or all there are"
        )
        train_shots: Count | None = option(None, "support images a class in training; default as in the test task")
        train_queries: Count = option(5, "query images a class in training")

    presets: ClassVar = {
        "glyphs": {"steps": 800},
        "omniglot": {"steps": 4000, "train_ways": 60},
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.backbone = build_backbone(options.backbone, problem.image_shape)

    def stages(self) -> Sequence[Stage]:
        options, problem = self.options, self.problem
        task = FixedTask(
            options.train_ways or min(20, problem.train_classes),
            options.train_shots or problem.task.shots,
            options.train_queries,
        )
        return [Stage("train", Episodes(task), self.loss, self, options)]

    def loss(self, episodes: EpisodeBatch) -> Tensor:
        return F.cross_entropy(self.classify(episodes).flatten(0, 1), episodes.query_labels.flatten())

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        # In mixed precision too: distances need more digits than bfloat16 has.
        return features.to(torch.promote_types(features.dtype, torch.float32))

    def classify_features(self, support: Tensor, support_labels: Tensor, query: Tensor, ways: int) -> Tensor:
        return -squared_distances(query, prototypes(support, support_labels, ways))
