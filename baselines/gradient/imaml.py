"""Implicit MAML (Rajeswaran, Finn, Kakade, Levine 2019)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from baselines.gradient._conjugate_gradient import conjugate_gradient
from baselines.gradient._divided import losses
from baselines.gradient._inner_loop import Solved
from baselines.gradient._learner import Adapted, GradientLearner
from baselines.gradient._presets import PRESETS
from baselines.stacked.stack import Weights
from metabench.learner import Count, LabelledEpisodeBatch, Paper, Positive, Source, option

# Of the paper's Omniglot experiments, but for the rate.
OMNIGLOT: dict[str, Any] = {"inner_steps": 16, "test_inner_steps": None, "inner_learning_rate": 0.1}


class IMAML(GradientLearner):
    """Learn initial weights by the gradient at the end of the steps from them, whatever way the steps took.

    Rajeswaran et al. 2019: a task's weights φ minimise its support's error with a penalty λ/2 |φ - θ|² that keeps them
    near the initial θ (equation 3), here by `inner_steps` gradient steps. With the Hessian H of the support's error at
    φ, the gradient of the query loss with respect to θ is the solution x of (I + H/λ) x = ∇L(φ) (lemma 1),
    which `cg_steps` steps of conjugate gradients approximate (section 3.2, algorithm 2). No graph of the steps is kept.

    Differs from the paper: `damping` is added to λ in the linear system, but not in the steps. H may have eigenvalues
    below -λ, which conjugate gradients are not made for: with batch normalisation and a λ of 2, where the steps end far
    from a minimum, it has, and a Conv-4 then hardly learns. The authors' code has 2 I + H/(λ + 10), whose solution has
    the direction of that with a damping of λ + 20; it takes its steps without the penalty, and then one on it alone, so
    that its λ of 2 is a small one here. The non-transductive default and the cosine schedule are as in `maml`.
    """

    @dataclass(frozen=True)
    class Options(GradientLearner.Options):
        inner_steps: Count = option(16, "gradient steps on the support in training")
        test_inner_steps: Count | None = option(
            None, "gradient steps on the support in validation and test; none is as in training"
        )
        inner_learning_rate: Positive = option(0.01, "learning rate of the inner steps")
        proximity: Positive = option(0.1, "penalty on a task's squared distance from the initial weights, λ")
        cg_steps: Count = option(5, "steps of conjugate gradients")
        damping: Annotated[float, Field(ge=0, allow_inf_nan=False)] = option(
            20.0, "added to λ in the linear system of the implicit gradient"
        )

    options: Options

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Rajeswaran, Aravind and Finn, Chelsea and Kakade, Sham M. and Levine, Sergey",
                "Meta-Learning with Implicit Gradients",
                2019,
                "https://arxiv.org/abs/1909.04630",
                "NeurIPS",
            ),
        ),
    )
    presets: ClassVar = {
        **PRESETS,
        "glyphs": {**PRESETS["glyphs"], **OMNIGLOT, "steps": 1500},
        "omniglot": {**PRESETS["omniglot"], **OMNIGLOT},
        "sinusoid": {**PRESETS["sinusoid"], **OMNIGLOT, "inner_learning_rate": 0.01},
    }

    def loss(self, episodes: LabelledEpisodeBatch) -> Iterator[Tensor]:
        def solve(start: Weights, tasks: LabelledEpisodeBatch) -> Solved:
            weights = self.near(start, tasks.support, tasks.support_labels, self.options.inner_steps)
            values, slope = self.inner_loop().query_error(weights, tasks, 1 / len(episodes))
            return values, list(self.implicit(weights, tasks, slope).values())

        return losses(episodes, self.start_of, [], solve, self.divides)

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Adapted:
        start = self.start(support, support_labels, ways)
        return self.near(start, support, support_labels, self.test_steps), support

    def near(self, start: Weights, support: Tensor, labels: Tensor, steps: int) -> Weights:
        """Each task's weights after gradient steps on its error and the penalty (equation 3)."""
        start = {name: value.detach() for name, value in start.items()}
        weights = start
        for rate in self.rates(steps):
            moved = self.inner_loop().adapt(weights, support, labels, [rate])
            weights = {
                name: moved[name] - rate[name] * self.options.proximity * (weights[name] - start[name])
                for name in weights
            }
        return weights

    def implicit(self, weights: Weights, episodes: LabelledEpisodeBatch, slope: Weights) -> Weights:
        """The gradient with respect to each task's initial weights, from that with respect to its adapted ones."""
        loop, rates = self.inner_loop(), self.rates(1)[0]
        step = loop.step(0, weights, episodes.support, episodes.support_labels, rates, keep=True)
        divisor = self.options.proximity + self.options.damping
        errors, leaves = list(step.gradients.values()), list(step.weights.values())

        def product(vector: Weights) -> Weights:
            curved = torch.autograd.grad(
                errors, leaves, list(vector.values()), retain_graph=True, materialize_grads=True
            )
            pairs = zip(vector.items(), curved, strict=True)
            return {name: value + each / divisor for (name, value), each in pairs}

        return conjugate_gradient(product, slope, self.options.cg_steps)
