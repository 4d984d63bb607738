"""Meta-SGD (Li, Zhou, Chen, Li 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from baselines.gradient._inner_loop import Rates
from baselines.gradient._learner import SecondOrderLearner
from baselines.gradient._presets import PRESETS, TEXT
from metabench.learner import Count, Paper, Positive, Problem, Source, option


class MetaSGD(SecondOrderLearner):
    """Learn initial weights and, for each weight, the learning rate of the gradient step that solves a task.

    Li et al. 2017: the step is θ' = θ - a ∘ ∇L(θ) (equation 2), where the rates a have the shape of θ, and both are
    trained by the query loss after it (equation 3, algorithm 1). A rate may become negative. One step by default, in
    training and in test; with more, all have the same rates.

    Differs from the paper: all rates begin at the same value, where the paper draws them at random; the other settings
    are those of `maml`, with its non-transductive default and cosine schedule.
    """

    @dataclass(frozen=True)
    class Options(SecondOrderLearner.Options):
        inner_steps: Count = option(1, "gradient steps on the support in training")
        test_inner_steps: Count | None = option(
            None, "gradient steps on the support in validation and test; none is as in training"
        )
        inner_learning_rate: Positive = option(0.1, "learning rate of each weight at the start of training")

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Li, Zhenguo and Zhou, Fengwei and Chen, Fei and Li, Hang",
                "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning",
                2017,
                "https://arxiv.org/abs/1707.09835",
            ),
        ),
    )
    presets: ClassVar = {
        name: {**preset, **({"test_inner_steps": None} if "test_inner_steps" in preset else {})}
        for name, preset in {**PRESETS, "text": {**TEXT, "first_order": True}}.items()
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        rate = options.inner_learning_rate
        self.inner_rates = nn.ParameterList(torch.full_like(weight, rate) for weight in self.network.parameters())

    def rates(self, steps: int) -> list[Rates]:
        return [dict(zip(self.adapted(), self.inner_rates, strict=True))] * steps
