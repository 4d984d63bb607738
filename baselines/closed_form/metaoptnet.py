"""MetaOptNet: meta-learning with differentiable convex optimisation (Lee, Maji, Ravichandran, Soatto 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from baselines.bases.episodic import EpisodicLearner
from baselines.heads.ridge import ridge_head
from baselines.heads.svm import svm_head
from metabench.learner import EpisodeFeatures, Kind, Paper, Positive, Problem, Source, option


class MetaOptNet(EpisodicLearner):
    """Solve each task by a linear support vector machine, on an embedding that is trained through its solution.

    Lee et al. 2019 (section 3): the multi-class machine of Crammer and Singer without an intercept, with cost 0.1
    (MetaOptNet-SVM), solved in its dual form, whose size does not depend on that of the features; the gradient goes
    through the solution by the implicit function theorem. Logits are its scores times a learned scale. `head=ridge` is
    MetaOptNet-RR, with the penalty 50 of the paper's code.

    Differs from the paper: the solver is an interior point method for this machine, in place of a general one. In ridge
    regression each class has an intercept without a penalty. Training episodes have 20 ways and the shots of the test
    task by default, not 5 ways and 15 shots; labels are not smoothed, images not augmented, and Adam with a cosine
    schedule takes the place of momentum. The scale begins at 10, since in a short training Adam takes it
    nowhere from 1: on `glyphs` 800 steps from 1 gave 84.7% on validation tasks, 240 steps from 10 gave 92.9%.
    """

    @dataclass(frozen=True)
    class Options(EpisodicLearner.Options):
        head: Literal["svm", "ridge"] = option("svm", "what solves a task: support vector machine or ridge regression")
        cost: Positive = option(0.1, "head=svm: cost of an item that is 1 short of its margin")
        ridge: Positive = option(50.0, "head=ridge: penalty of the ridge regression")
        scale: Positive = option(10.0, "factor from scores to logits at the start of training")

    # Not of words: a support of thousands of them would take too long to solve.
    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")
    source: ClassVar = Source(
        "closed form",
        (
            Paper(
                "Lee, Kwonjoon and Maji, Subhransu and Ravichandran, Avinash and Soatto, Stefano",
                "Meta-Learning with Differentiable Convex Optimization",
                2019,
                "https://arxiv.org/abs/1904.03758",
                "CVPR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: MetaOptNet.Options = options
        self.scale = nn.Parameter(torch.tensor(options.scale))

    def idle_options(self) -> Mapping[str, str]:
        idle = "ridge" if self.options.head == "svm" else "cost"
        return {**super().idle_options(), idle: f"head is {self.options.head}"}

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        support, labels, ways, options = features.support, features.support_labels, features.ways, self.options
        with torch.autocast(support.device.type, enabled=False):  # neither can be solved in bfloat16
            if options.head == "svm":
                scores = features.query @ svm_head(support, labels, ways, options.cost)
            else:
                weight, bias = ridge_head(support, labels, ways, options.ridge)
                scores = features.query @ weight + bias
            return self.scale * scores
