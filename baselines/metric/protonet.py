"""Prototypical networks (Snell, Swersky, Zemel 2017)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.backbones import build_backbone
from baselines.heads.prototypes import prototypes, refined, squared_distances
from metabench.learner import (
    Count,
    EmbeddingLearner,
    EpisodeFeatures,
    Episodes,
    FixedTask,
    Kind,
    LabelledEpisodeBatch,
    Paper,
    Problem,
    Source,
    Stage,
    TrainingOptions,
    option,
)


class ProtoNet(EmbeddingLearner):
    """Classify by the nearest class mean in a learned embedding, by squared Euclidean distance.

    Snell et al. 2017: prototypes (equation 1), softmax over negative distances (equation 2), episodes of more ways
    than at test (section 3.1). Differs from the paper: the learning rate follows a cosine by default
    (`schedule=halving` is the paper's).

    With `refine_steps`, prototypes move to the unlabelled images of a task by soft k-means, in training too (Ren et al.
    2018, section 3.1.1).
    """

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        train_ways: Annotated[int, Field(ge=2)] | None = option(
            None, "classes in a training episode; default 20, or all there are"
        )
        train_shots: Count | None = option(None, "support images per class in training; default as in the test task")
        train_queries: Count = option(5, "query images per class in training")
        refine_steps: Annotated[int, Field(ge=0)] = option(0, "steps of soft k-means on a task's unlabelled images")

    source: ClassVar = Source(
        "metric",
        (
            Paper(
                "Snell, Jake and Swersky, Kevin and Zemel, Richard",
                "Prototypical Networks for Few-shot Learning",
                2017,
                "https://arxiv.org/abs/1703.05175",
                "NeurIPS",
            ),
            Paper(
                "Ren, Mengye and Triantafillou, Eleni and Ravi, Sachin and Snell, Jake and Swersky, Kevin and "
                "Tenenbaum, Joshua B. and Larochelle, Hugo and Zemel, Richard S.",
                "Meta-Learning for Semi-Supervised Few-Shot Classification",
                2018,
                "https://arxiv.org/abs/1803.00676",
                "ICLR",
            ),
        ),
    )
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
        self.semi_supervised = options.refine_steps > 0
        self.backbone = build_backbone(options.backbone, problem.image_shape)

    def idle_options(self) -> Mapping[str, str]:
        task = self.problem.task
        if isinstance(task, FixedTask) and task.unlabelled:
            return {}
        return {"refine_steps": "tasks have no unlabelled images (--unlabelled)"}

    def stages(self) -> Sequence[Stage]:
        options, problem = self.options, self.problem
        assert isinstance(problem.task, FixedTask)  # it does no regression
        task = FixedTask(
            options.train_ways or min(20, problem.train_classes),
            options.train_shots or problem.task.shots,
            options.train_queries,
            unlabelled=problem.task.unlabelled if self.semi_supervised else 0,
            distractors=problem.task.distractors if self.semi_supervised else 0,
        )
        return [Stage("train", Episodes(task), self.loss, self, options)]

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor:
        return F.cross_entropy(self.classify(episodes).flatten(0, 1), episodes.query_labels.flatten())

    def embed(self, images: Tensor) -> Tensor:
        features: Tensor = self.backbone(images)
        # In mixed precision too: distances need more digits than bfloat16 has.
        return features.to(torch.promote_types(features.dtype, torch.float32))

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        support, labels = features.support, features.support_labels
        centres = prototypes(support, labels, features.ways)
        if features.unlabelled is not None:
            for _ in range(self.options.refine_steps):
                centres = refined(centres, support, labels, features.unlabelled)
        return -squared_distances(features.query, centres)
