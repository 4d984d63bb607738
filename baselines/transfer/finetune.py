"""Transfer: pre-train on all training classes, then fit a new head, or fine-tune all, on each task's support."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor
from torch.func import functional_call

from baselines.bases.pretrained import CLOSER_LOOK, PretrainedLearner
from baselines.heads.logistic import logistic_head
from baselines.heads.ridge import ridge_head
from episodes.episode import item_counts
from metabench.learner import (
    Count,
    EpisodeBatch,
    EpisodeFeatures,
    Paper,
    Positive,
    Problem,
    Source,
    option,
    rows_at_once,
)


class FineTune(PretrainedLearner):
    """Pre-train with a softmax head on all training classes; each task gets a new head on the frozen features.

    The baseline of Chen et al. 2019 (section 3.1), on features of unit length as in Tian et al. 2020 (section 3.1),
    with a ridge-regression head in closed form, or theirs, logistic regression (`head=logistic`). With `scope=all` the
    former is only where each task starts, and `tuning_steps` of gradient descent on its support change head and network
    together (BatchNorm keeps the training set's statistics).
    """

    @dataclass(frozen=True)
    class Options(PretrainedLearner.Options):
        scope: Literal["head", "all"] = option("head", "what a task's support changes: the head, or the whole network")
        head: Literal["ridge", "logistic"] = option("ridge", "ridge regression, or logistic regression by scikit-learn")
        ridge: Positive = option(0.1, "penalty of the head's ridge regression")
        logistic: Positive = option(0.01, "head=logistic: penalty of its regression")
        tuning_steps: Annotated[int, Field(ge=0)] = option(20, "scope=all: gradient steps on the support")
        tuning_rate: Positive = option(0.01, "scope=all: their learning rate")
        tuning_optimizer: Literal["sgd", "adam"] = option("sgd", "scope=all: plain gradient descent, or adam")
        tuning_batch: Count | None = option(None, "scope=all: support items per step; default all of them")
        logit_scale: Positive = option(10.0, "factor from the head's scores to logits")

    source: ClassVar = Source(
        "transfer",
        (
            CLOSER_LOOK,
            Paper(
                "Tian, Yonglong and Wang, Yue and Krishnan, Dilip and Tenenbaum, Joshua B. and Isola, Phillip",
                "Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?",
                2020,
                "https://arxiv.org/abs/2003.11539",
                "ECCV",
            ),
        ),
    )
    presets: ClassVar = {
        **PretrainedLearner.presets,
        "text": {
            **PretrainedLearner.presets["text"],
            "tuning_optimizer": "adam",
            "tuning_rate": 2e-4,
            "tuning_steps": 50,
        },
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: FineTune.Options = options

    @property
    def frozen_embedding(self) -> bool:
        return self.options.scope == "head"

    def idle_options(self) -> Mapping[str, str]:
        tuning = [item.name for item in fields(self.options) if item.name.startswith("tuning_")]
        idle = dict.fromkeys(tuning, "scope is head") if self.frozen_embedding else {}
        if self.options.head == "ridge" or not self.frozen_embedding:
            return {**idle, "logistic": "the head is ridge regression"}
        return {**idle, **dict.fromkeys(("ridge", "logit_scale"), "the head is logistic regression")}

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=1)

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        if self.options.head == "logistic":
            parts = features.support, features.support_labels, features.query, features.ways
            return logistic_head(*parts, self.options.logistic, "finetune with head=logistic")
        weight, bias = ridge_head(features.support, features.support_labels, features.ways, self.options.ridge)
        return self.options.logit_scale * (features.query @ weight + bias)

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        if self.frozen_embedding:
            return super().classify(episodes)
        tasks = zip(episodes.support, episodes.support_labels, episodes.query, strict=True)
        return torch.stack([self._tune(support, labels, query, episodes.ways) for support, labels, query in tasks])

    def after_steps(self, steps: int) -> FineTune | None:
        if self.frozen_embedding:
            return None
        other = copy.deepcopy(self)
        other.options = replace(self.options, tuning_steps=steps)
        return other

    def _tune(self, support: Tensor, labels: Tensor, query: Tensor, ways: int) -> Tensor:
        """Logits `[Q, N]` of one task after fine-tuning everything on its support."""
        features = self.embed(support)
        head = [part[0] for part in ridge_head(features[None], labels[None], ways, self.options.ridge)]
        tuned = [part.detach().clone().requires_grad_() for part in (*self.backbone.parameters(), *head)]
        weights = dict(zip((name for name, _ in self.backbone.named_parameters()), tuned[:-2], strict=True))

        def logits(inputs: Tensor) -> Tensor:
            embedding = F.normalize(functional_call(self.backbone, weights, inputs), dim=1)
            return self.options.logit_scale * (embedding @ tuned[-2] + tuned[-1])

        kind = torch.optim.Adam if self.options.tuning_optimizer == "adam" else torch.optim.SGD
        optimizer = kind(tuned, lr=self.options.tuning_rate, fused=True)  # Adam's step in a tenth of the time
        with torch.enable_grad():
            of_rows = torch.split(labels, item_counts(support))
            for rows in self._tuning_batches(len(support)):
                optimizer.zero_grad()
                loss = F.cross_entropy(logits(support[rows]), torch.cat([of_rows[row] for row in rows.tolist()]))
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        with torch.no_grad():
            return torch.cat([logits(part) for part in torch.split(query, rows_at_once(query))])

    def _tuning_batches(self, items: int) -> Iterator[Tensor]:
        """Which rows of the support each tuning step takes: all, or each of them once before any comes again."""
        size = self.options.tuning_batch or items
        if size >= items:
            yield from [torch.arange(items)] * self.options.tuning_steps
            return
        random = torch.Generator().manual_seed(0)
        order = torch.empty(0, dtype=torch.int64)
        for _ in range(self.options.tuning_steps):
            if len(order) < size:
                order = torch.cat([order, torch.randperm(items, generator=random)])
            yield order[:size]
            order = order[size:]
