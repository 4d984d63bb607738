"""Prototypical networks (Snell, Swersky, Zemel 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from baselines.bases.episodic import EpisodicLearner
from baselines.heads.prototypes import prototypes, refined, squared_distances
from metabench.learner import EpisodeFeatures, FixedTask, Paper, Problem, Source, option

SEMI_SUPERVISED = Paper(
    "Ren, Mengye and Triantafillou, Eleni and Ravi, Sachin and Snell, Jake and Swersky, Kevin and "
    "Tenenbaum, Joshua B. and Larochelle, Hugo and Zemel, Richard S.",
    "Meta-Learning for Semi-Supervised Few-Shot Classification",
    2018,
    "https://arxiv.org/abs/1803.00676",
    "ICLR",
)


class ProtoNet(EpisodicLearner):
    """Classify by the nearest class mean in a learned embedding, by squared Euclidean distance.

    Snell et al. 2017: prototypes (equation 1), softmax over negative distances (equation 2), episodes of more ways
    than at test (section 3.1). Differs from the paper: the learning rate follows a cosine by default
    (`schedule=halving` is the paper's).

    With `refine_steps`, prototypes move to the unlabelled images of a task by soft k-means, in training too (Ren et al.
    2018, section 3.1.1).
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
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
            SEMI_SUPERVISED,
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: ProtoNet.Options = options
        self.semi_supervised = options.refine_steps > 0

    def idle_options(self) -> Mapping[str, str]:
        task = self.problem.task
        if isinstance(task, FixedTask) and task.unlabelled:
            return {}
        return {"refine_steps": "tasks have no unlabelled images (--unlabelled)"}

    def training_task(self) -> FixedTask:
        task, tested = super().training_task(), self.problem.task
        assert isinstance(tested, FixedTask)  # it does no regression
        if not self.semi_supervised:
            return task
        return replace(task, unlabelled=tested.unlabelled, distractors=tested.distractors)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        support, labels = features.support, features.support_labels
        centres = prototypes(support, labels, features.ways)
        if features.unlabelled is not None:
            for _ in range(self.options.refine_steps):
                centres = refined(centres, support, labels, features.unlabelled)
        return -squared_distances(features.query, centres)
