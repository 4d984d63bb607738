"""Alpha-TIM: mutual information by Tsallis's entropies (Veilleux, Boudiaf, Piantanida, Ben Ayed 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from baselines.heads.information import descended, information_loss, log_shares
from baselines.heads.prototypes import prototypes
from baselines.transductive._unit_length import TransductiveLearner
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option


class AlphaTIM(TransductiveLearner):
    """As TIM, with Tsallis's entropies of order alpha, which let the classes of the queries be of unequal size.

    Veilleux et al. 2021 (section 4): an order above 1 rewards an even mean prediction less than Shannon's entropy does,
    its limit at order 1. The cross-entropy of the support stays Shannon's, and class weights are found by Adam, as in
    the paper's code.

    Differs from the paper: the order is one number, not tuned for each number of shots. Adam takes 150 steps at rate
    0.001, where the paper's takes 1000 at 0.0001.
    """

    @dataclass(frozen=True)
    class Options(TransductiveLearner.Options):
        alpha: Positive = option(2.0, "order of the entropies; 1 is Shannon's")
        solver_steps: Annotated[int, Field(ge=0)] = option(150, "steps of Adam")
        solver_rate: Positive = option(1e-3, "their learning rate")
        sharpness: Positive = option(15.0, "factor of half the squared distances in the softmax")

    source: ClassVar = Source(
        "transductive",
        (
            Paper(
                "Veilleux, Olivier and Boudiaf, Malik and Piantanida, Pablo and Ben Ayed, Ismail",
                "Realistic Evaluation of Transductive Few-Shot Learning",
                2021,
                "https://arxiv.org/abs/2204.11181",
                "NeurIPS",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: AlphaTIM.Options = options

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        options = self.options
        start = prototypes(features.support, features.support_labels, features.ways)
        weights = descended(start, partial(self.task_loss, features), options.solver_steps, options.solver_rate)
        return log_shares(features.query, weights, options.sharpness)

    def task_loss(self, features: EpisodeFeatures, weights: Tensor) -> Tensor:
        """`[B]`, of class weights `[B, N, D]`."""
        options = self.options
        support, query = (log_shares(part, weights, options.sharpness) for part in (features.support, features.query))
        return information_loss(support, features.support_labels, query, (1.0, 1.0, 1.0), options.alpha)
