"""An embedding that learns all training classes at once, and then learns from episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import feature_size
from baselines.bases.episodic import EpisodicLearner
from metabench.learner import Batches, LabelledBatch, Positive, Problem, Stage, option


class TwoStageLearner(EpisodicLearner):
    """Pre-train with a linear head on all training classes, then train on episodes as an `EpisodicLearner` does.

    The head serves pre-training alone, whose best step is chosen by the learner's own score on validation tasks.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        batch_size: Annotated[int, Field(ge=2)] = option(64, "images per step of pre-training")
        episodic_steps: Annotated[int, Field(ge=0)] | None = option(
            None, "steps on episodes after pre-training; default a quarter of `steps`"
        )
        episodic_rate: Positive | None = option(
            None, "learning rate on episodes at the start; default a tenth of `learning_rate`"
        )

    presets: ClassVar = {
        **EpisodicLearner.presets,
        "glyphs": {"steps": 1200},
        "omniglot": {"steps": 4000, "batch_size": 128},
        "text": {**EpisodicLearner.presets["text"], "batch_size": 32, "episodic_rate": 2e-5},
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: TwoStageLearner.Options = options
        self.head = nn.Linear(feature_size(self.backbone, problem.image_shape), problem.train_classes)

    def stages(self) -> Sequence[Stage]:
        options = self.options
        trained = nn.ModuleList([self.backbone, self.head])
        first = Stage("pre-train", Batches(options.batch_size), self.pretraining_loss, trained, options)
        changes: dict[str, Any] = {
            "steps": options.steps // 4 if options.episodic_steps is None else options.episodic_steps,
            "learning_rate": options.episodic_rate or options.learning_rate / 10,
        }
        return [first, *(replace(stage, options=replace(options, **changes)) for stage in super().stages())]

    def pretraining_loss(self, batch: LabelledBatch) -> Tensor:
        return F.cross_entropy(self.head(self.backbone(batch.images)), batch.labels)

    def scoring_parameters(self) -> int:
        return super().scoring_parameters() - sum(parameter.numel() for parameter in self.head.parameters())
