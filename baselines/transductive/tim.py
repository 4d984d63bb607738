"""TIM: transductive information maximisation (Boudiaf et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.heads.information import descended, information_loss, log_shares
from baselines.heads.prototypes import prototypes
from baselines.transductive._unit_length import TransductiveLearner
from metabench.learner import EpisodeFeatures, Paper, Positive, Problem, Source, option

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TIM(TransductiveLearner):
    """Class weights that fit the support, and of which the queries say as much as they can about their labels.

    Boudiaf et al. 2020: probabilities are a softmax over squared distances of features of unit length to the weights,
    which begin at the class means. They then minimise the cross-entropy of the support less the mutual information
    between queries and labels: the entropy of the mean prediction less the mean entropy of the predictions (section
    3.2). `solver=adm` alternates between targets of the queries and weights, each in closed form (section 3.3,
    proposition 1); `solver=gd` descends by Adam.

    Differs from the paper: the alternation takes 50 steps, not 150, after which validation tasks of `glyphs` came out
    alike: where features hardly differ, as before training, later steps enlarge differences of rounding. Adam takes 150
    steps at rate 0.001, where the paper's takes 1000 at 0.0001.
    """

    @dataclass(frozen=True)
    class Options(TransductiveLearner.Options):
        solver: Literal["adm", "gd"] = option("adm", "alternating directions, or gradient descent by Adam")
        solver_steps: Annotated[int, Field(ge=0)] | None = option(
            None, "steps of the solver; default 50, or 150 of solver=gd"
        )
        solver_rate: Positive = option(1e-3, "solver=gd: learning rate")
        sharpness: Positive = option(15.0, "factor of half the squared distances in the softmax")
        support_weight: Positive = option(0.1, "weight of the support's cross-entropy")
        query_weight: Weight = option(0.1, "weight of the queries' mean entropy, where that of their mean has 1")

    source: ClassVar = Source(
        "transductive",
        (
            Paper(
                "Boudiaf, Malik and Ziko, Imtiaz Masud and Rony, Jérôme and Dolz, Jose and Piantanida, Pablo and "
                "Ben Ayed, Ismail",
                "Information Maximization for Few-Shot Learning",
                2020,
                "https://arxiv.org/abs/2008.11297",
                "NeurIPS",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: TIM.Options = options

    def idle_options(self) -> Mapping[str, str]:
        return {"solver_rate": "solver is adm"} if self.options.solver == "adm" else {}

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        options, digits = self.options, features.query.dtype
        if options.solver == "gd":  # Adam makes steps of rounding's noise, where nearly nothing is left to descend
            features = replace(features, support=features.support.double(), query=features.query.double())
        support, labels, query = features.support, features.support_labels, features.query
        weights = prototypes(support, labels, features.ways)
        if options.solver == "gd":
            loss = partial(self.task_loss, features)
            weights = descended(weights, loss, self._steps, options.solver_rate)
        else:
            known = F.one_hot(labels, features.ways).to(query.dtype)
            for _ in range(self._steps):
                targets = query_targets(log_shares(query, weights, options.sharpness), options.query_weight)
                weights = self._fitted(support, known, query, targets, weights)
        return log_shares(query, weights, options.sharpness).to(digits)

    @property
    def _steps(self) -> int:
        if self.options.solver_steps is not None:
            return self.options.solver_steps
        return 150 if self.options.solver == "gd" else 50

    def task_loss(self, features: EpisodeFeatures, weights: Tensor) -> Tensor:
        """`[B]`, of class weights `[B, N, D]`."""
        options = self.options
        support, query = (log_shares(part, weights, options.sharpness) for part in (features.support, features.query))
        return information_loss(
            support, features.support_labels, query, (options.support_weight, 1.0, options.query_weight)
        )

    def _fitted(self, support: Tensor, known: Tensor, query: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """New class weights, by the closed form in which the softmax's sum is linear at the present ones."""
        options = self.options
        of_support = options.support_weight / (1 + options.query_weight) / support.shape[1]
        factors = (of_support, 1 / query.shape[1])
        total = mass = torch.zeros((), device=query.device)
        for factor, items, wanted in zip(factors, (support, query), (known, targets), strict=True):
            found = log_shares(items, weights, options.sharpness).exp()
            pulled = (wanted - found).transpose(1, 2) @ items + weights * found.sum(1).unsqueeze(2)
            total = total + factor * pulled
            mass = mass + factor * wanted.sum(1).unsqueeze(2)
        return total / mass


def query_targets(logs: Tensor, query_weight: float) -> Tensor:
    """Targets `[B, Q, N]`: sharper than the log-probabilities `[B, Q, N]`, and more even over the classes."""
    sharper = (1 + query_weight) * logs
    return torch.softmax(sharper - torch.logsumexp(sharper, dim=1, keepdim=True) / 2, dim=2)
