"""An embedding that learns all training classes and is then frozen, under what learns from episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import Layers
from baselines.bases.pretrained import PretrainedLearner
from baselines.heads.cosine import cosines
from baselines.heads.prototypes import prototypes
from metabench.learner import (
    Count,
    EmbeddingLearner,
    EpisodeFeatures,
    Episodes,
    FixedTask,
    Kind,
    LabelledEpisodeBatch,
    Positive,
    Problem,
    Stage,
    TrainingOptions,
    option,
)


class FrozenLearner(PretrainedLearner):
    """Pre-train on all training classes, freeze the embedding, then train `solver` on episodes of its features.

    A subclass makes `solver`, which does all that is learned from episodes, and writes `classify_features`. The best
    step of pre-training is chosen by the nearest class mean, since the solver has learned nothing by then.
    """

    @dataclass(frozen=True)
    class Options(PretrainedLearner.Options):
        train_ways: Annotated[int, Field(ge=2)] | None = option(
            None, "classes in a training episode; default 20, or all there are"
        )
        train_shots: Count | None = option(None, "support items per class in training; default as in the test task")
        train_queries: Count = option(1, "query items per class in training")
        meta_batch: Count = option(4, "tasks per training step on episodes")
        episodic_steps: Annotated[int, Field(ge=0)] = option(2000, "steps on episodes after pre-training")
        episodic_rate: Positive = option(1e-3, "learning rate on episodes at the start")

    # Every step embeds its items anew, which with an encoder of texts takes hours on a CPU.
    kinds: ClassVar[tuple[Kind, ...]] = ("images",)
    solver: nn.Module

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: FrozenLearner.Options = options

    def stages(self) -> Sequence[Stage]:
        options = self.options
        means = ClassMeans(self.problem, options, self.backbone)
        learned = replace(options, steps=options.episodic_steps, learning_rate=options.episodic_rate)
        data = Episodes(self.training_task(), options.meta_batch)
        return [
            *(replace(stage, scored=means) for stage in super().stages()),
            Stage("train", data, self.episodic_loss, self.solver, learned, clip=1.0),
        ]

    def training_task(self) -> FixedTask:
        """The task of the training episodes."""
        options, problem = self.options, self.problem
        ways = options.train_ways or min(20, problem.train_classes)
        return FixedTask(ways, options.train_shots or problem.task.shots, options.train_queries)

    def episodic_loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        """The cross-entropy of the queries, which reaches the solver alone."""
        with torch.no_grad():
            images = torch.cat([episodes.support, episodes.query], dim=1)
            features = self.embed(images.flatten(0, 1)).view(*images.shape[:2], -1)
        support, query = torch.split(features, [episodes.support.shape[1], episodes.query.shape[1]], dim=1)
        parts = EpisodeFeatures(support, episodes.support_labels, query, episodes.ways)
        return F.cross_entropy(self.training_logits(parts).flatten(0, 1), episodes.query_labels.flatten())

    def training_logits(self, features: EpisodeFeatures) -> Tensor:
        """Logits `[B, Q, N]` in training; those of `classify_features`, unless it writes others."""
        return self.classify_features(features)

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        return features.to(torch.promote_types(features.dtype, torch.float32))

    def scoring_parameters(self) -> int:
        return super().scoring_parameters() + sum(parameter.numel() for parameter in self.solver.parameters())


class ClassMeans(EmbeddingLearner):
    """The class whose mean is most alike by the cosine, on another learner's embedding."""

    def __init__(self, problem: Problem, options: TrainingOptions, backbone: Layers) -> None:
        super().__init__(problem, options)
        self.backbone = backbone

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        return features

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        return cosines(features.query, prototypes(features.support, features.support_labels, features.ways))
