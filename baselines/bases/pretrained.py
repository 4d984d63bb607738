"""An embedding that is trained to tell all training classes apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import build_backbone, feature_size
from metabench.learner import (
    Batches,
    EmbeddingLearner,
    Kind,
    LabelledBatch,
    Paper,
    Problem,
    Stage,
    TrainingOptions,
    option,
)

CLOSER_LOOK = Paper(
    "Chen, Wei-Yu and Liu, Yen-Cheng and Kira, Zsolt and Wang, Yu-Chiang Frank and Huang, Jia-Bin",
    "A Closer Look at Few-shot Classification",
    2019,
    "https://arxiv.org/abs/1904.04232",
    "ICLR",
)


class PretrainedLearner(EmbeddingLearner):
    """A network that is pre-trained with a head on all training classes; a test task does without that head.

    A subclass writes `embed` and `classify_features`. The head is linear, unless it makes another.
    """

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        batch_size: Annotated[int, Field(ge=2)] = option(64, "images per training step")

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text", "entities", "questions")
    presets: ClassVar = {
        "glyphs": {"steps": 1500},
        "omniglot": {"steps": 5000, "batch_size": 128},
        "text": {"backbone": "minilm", "steps": 100, "batch_size": 32, "learning_rate": 2e-5},
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.backbone = build_backbone(options.backbone, problem.image_shape)
        self.head = self.new_head(feature_size(self.backbone, problem.image_shape), problem.train_classes)

    def new_head(self, features: int, classes: int) -> nn.Module:
        """From features `[n, D]` to the logits of all training classes."""
        return nn.Linear(features, classes)

    def stages(self) -> Sequence[Stage]:
        trained = nn.ModuleList([self.backbone, self.head])
        return [Stage("pre-train", Batches(self.options.batch_size), self.loss, trained, self.options)]

    def loss(self, batch: LabelledBatch) -> Tensor:
        return F.cross_entropy(self.train_logits(batch.images), batch.labels)

    def train_logits(self, images: Tensor) -> Tensor:
        """Logits `[n, training classes]`."""
        logits: Tensor = self.head(self.backbone(images))
        return logits

    def scoring_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.backbone.parameters())
