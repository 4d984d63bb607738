"""Transductive fine-tuning (Dhillon, Chaudhari, Ravichandran, Soatto 2020)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from baselines.heads.cosine import cosines
from baselines.heads.information import descended, information_loss
from baselines.heads.prototypes import prototypes
from baselines.transductive._unit_length import TransductiveLearner
from metabench.learner import EpisodeBatch, EpisodeFeatures, Paper, Positive, Problem, Source, option, rows_at_once

WEIGHTS = (1.0, 0.0, 1.0)  # of the support's cross-entropy, and of the queries' mean entropy

HEAD_RATE, NETWORK_RATE = 1e-3, 5e-5


class TransductiveFineTune(TransductiveLearner):
    """A cosine head that begins at the support, and is fine-tuned until the queries are predicted with certainty.

    Dhillon et al. 2020: the weight of a class begins at the mean of its support, scaled to length 1 (section 3.1). A
    task minimises the cross-entropy of its support plus the mean entropy of its queries, by Adam (section 3.2).

    Differs from the paper: by default the new head alone is tuned, at a higher rate; `scope=all` tunes the network too,
    at the paper's, which takes seconds for each task. The features are the network's, without the pre-trained head,
    whose logits the paper takes through a ReLU: a softmax leaves their level open, and here nearly all are below 0.
    Cosines are multiplied by a factor, without which no probability comes near 1. A step takes the whole support and
    all queries, and BatchNorm keeps the training set's statistics.
    """

    @dataclass(frozen=True)
    class Options(TransductiveLearner.Options):
        scope: Literal["head", "all"] = option("head", "what a task changes: its head, or the whole network too")
        scale: Positive = option(20.0, "factor of the cosines")
        tuning_steps: Annotated[int, Field(ge=0)] = option(25, "steps of Adam")
        tuning_rate: Positive | None = option(None, "their learning rate; default 0.001, or 5e-5 of scope=all")

    source: ClassVar = Source(
        "transductive",
        (
            Paper(
                "Dhillon, Guneet S. and Chaudhari, Pratik and Ravichandran, Avinash and Soatto, Stefano",
                "A Baseline for Few-Shot Image Classification",
                2020,
                "https://arxiv.org/abs/1909.02729",
                "ICLR",
            ),
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: TransductiveFineTune.Options = options

    @property
    def frozen_embedding(self) -> bool:
        return self.options.scope == "head"

    def after_steps(self, steps: int) -> TransductiveFineTune:
        other = copy.deepcopy(self)
        other.options = replace(self.options, tuning_steps=steps)
        return other

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        options, labels = self.options, features.support_labels
        start = F.normalize(prototypes(features.support, labels, features.ways), dim=2)

        def loss(weights: Tensor) -> Tensor:
            support, query = (
                torch.log_softmax(options.scale * cosines(part, weights), dim=2)
                for part in (features.support, features.query)
            )
            return information_loss(support, labels, query, WEIGHTS)

        weights = descended(start, loss, options.tuning_steps, options.tuning_rate or HEAD_RATE)
        return options.scale * cosines(features.query, weights)

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        if self.frozen_embedding:
            return super().classify(episodes)
        tasks = zip(episodes.support, episodes.support_labels, episodes.query, strict=True)
        return torch.stack([self._tuned(support, labels, query, episodes.ways) for support, labels, query in tasks])

    def _tuned(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Logits `[Q, N]` of one task after fine-tuning everything."""
        start = F.normalize(prototypes(self.embed(support)[None], labels[None], ways), dim=2)
        head, *tuned = (part.detach().clone().requires_grad_() for part in (start, *self.backbone.parameters()))
        weights = dict(zip((name for name, _ in self.backbone.named_parameters()), tuned, strict=True))

        def logits(items: Tensor) -> Tensor:
            return self.options.scale * cosines(functional_call(self.backbone, weights, items)[None], head)

        optimizer = torch.optim.Adam([head, *tuned], lr=self.options.tuning_rate or NETWORK_RATE, fused=True)
        with torch.enable_grad():
            for _ in range(self.options.tuning_steps):
                optimizer.zero_grad()
                both = torch.log_softmax(logits(torch.cat([support, query])), dim=2)
                of_support, of_query = torch.split(both, [len(support), len(query)], dim=1)
                information_loss(of_support, labels[None], of_query, WEIGHTS).sum().backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        with torch.no_grad():
            return torch.cat([logits(part)[0] for part in torch.split(query, rows_at_once(query))])
