"""An embedding that is trained on episodes (Vinyals et al. 2016)."""

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
    Episodes,
    FixedTask,
    Kind,
    LabelledEpisodeBatch,
    Problem,
    Stage,
    TrainingOptions,
    option,
)


class EpisodicLearner(EmbeddingLearner):
    """An embedding that is trained by what its classifier predicts in episodes of the training classes.

    A subclass writes `classify_features`. The loss is the cross-entropy of the queries, unless it writes another.
    """

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        train_ways: Annotated[int, Field(ge=2)] | None = option(
            None, "classes in a training episode; default 20, or all there are"
        )
        train_shots: Count | None = option(None, "support images per class in training; default as in the test task")
        train_queries: Count = option(5, "query images per class in training")

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text", "entities", "questions")
    presets: ClassVar = {
        "glyphs": {"steps": 800},
        "omniglot": {"steps": 4000, "train_ways": 60},
        "text": {"backbone": "minilm", "steps": 100, "learning_rate": 2e-5, "train_ways": 10, "train_queries": 3},
        "entities": {"steps": 200, "train_ways": None, "train_queries": 5},
        "questions": {"train_ways": None},
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.backbone = build_backbone(options.backbone, problem.image_shape)

    def stages(self) -> Sequence[Stage]:
        return [Stage("train", Episodes(self.training_task()), self.loss, self, self.options)]

    def training_task(self) -> FixedTask:
        """The task of the training episodes."""
        options, problem = self.options, self.problem
        ways = options.train_ways or min(20, problem.train_classes)
        return FixedTask(ways, options.train_shots or problem.task.shots, options.train_queries)

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        return F.cross_entropy(self.classify(episodes).flatten(0, 1), episodes.query_labels.flatten())

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        # In mixed precision too: distances need more digits than bfloat16 has.
        return features.to(torch.promote_types(features.dtype, torch.float32))
