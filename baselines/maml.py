"""Model-agnostic meta-learning (Finn, Abbeel, Levine 2017)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from baselines.backbones import build_backbone, feature_size
from metabench.learner import (
    Count,
    EpisodeBatch,
    Episodes,
    FixedTask,
    Learner,
    Positive,
    Problem,
    Stage,
    TrainingOptions,
    option,
)

Weights = dict[str, Tensor]

# The network, inner steps and inner rate of the paper's 5-way Omniglot experiment (section 5.2, appendix A.1).
OMNIGLOT = {"backbone": "conv4-strided", "inner_steps": 1, "test_inner_steps": 3, "inner_learning_rate": 0.4}

_statistics_rows: ContextVar[int | None] = ContextVar("_statistics_rows", default=None)


@contextmanager
def statistics_from(rows: int) -> Iterator[None]:
    """Within it, every TaskBatchNorm2d takes its mean and variance from the first `rows` images of its batch."""
    token = _statistics_rows.set(rows)
    try:
        yield
    finally:
        _statistics_rows.reset(token)


class TaskBatchNorm2d(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) by the batch at hand, in training and evaluation; keeps no state."""

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, images: Tensor) -> Tensor:
        rows = _statistics_rows.get()
        if rows is None:
            return F.batch_norm(images, None, None, self.weight, self.bias, training=True, eps=self.eps)
        images = images.to(torch.promote_types(images.dtype, torch.float32))  # as F.batch_norm does inside
        variance, mean = torch.var_mean(images[:rows], dim=(0, 2, 3), correction=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return images * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]


class MAML(Learner):
    """Learn initial weights from which a few gradient steps on the support solve a task.

    Finn et al. 2017: inner steps (equation 1), meta-gradient through them (algorithm 2); second order unless
    `first_order=true` (section 5.2). Batch normalisation always uses batch statistics: the support's in the inner
    steps, and for the queries

    - by default the support's too, under the adapted weights, so that each query is answered on its own;
    - with `transductive=true` the queries' own, as in the paper's code: a query's answer then depends on the others.

    The head has its own initial row for each label, as in the paper, so that renaming labels changes answers a
    little (Ye and Chao 2022, section 4). Differs from the paper: the non-transductive default, and Adam's learning
    rate follows a cosine (`schedule=constant` is the paper's). On characters the paper's meta-batch is 32 tasks.
    """

    label_equivariant = False
    fixed_ways = True

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        inner_steps: Count = option(5, "gradient steps on the support in training")
        test_inner_steps: Count = option(10, "gradient steps on the support in validation and test")
        inner_learning_rate: Positive = option(0.1, "learning rate of the inner steps")
        meta_batch: Count = option(4, "tasks a training step")
        train_queries: Count = option(5, "query images a class in training")
        first_order: bool = option(False, "leave out second derivatives")
        transductive: bool = option(False, "normalise queries by their own batch statistics")

    presets: ClassVar = {
        "glyphs": {"steps": 350, **OMNIGLOT},
        "omniglot": {"steps": 3000, "meta_batch": 16, **OMNIGLOT},
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.transductive = options.transductive
        backbone = build_backbone(options.backbone, problem.image_shape, norm=TaskBatchNorm2d)
        self.network = nn.Sequential(
            backbone, nn.Linear(feature_size(backbone, problem.image_shape), problem.task.ways)
        )

    def stages(self) -> Sequence[Stage]:
        options, task = self.options, self.problem.task
        task = FixedTask(task.ways, task.shots, options.train_queries)
        return [Stage("meta-train", Episodes(task, options.meta_batch), self.loss, self, options)]

    def loss(self, episodes: EpisodeBatch) -> Iterator[Tensor]:
        """The query loss after adaptation, task by task; their sum is the mean over tasks (algorithm 2, line 10)."""
        for support, labels, query, query_labels in zip(
            episodes.support, episodes.support_labels, episodes.query, episodes.query_labels, strict=True
        ):
            weights = self._adapt_task(support, labels, self.options.inner_steps, meta_train=True)
            logits = self._predict_task((weights, support), query)
            yield F.cross_entropy(logits, query_labels) / len(episodes)

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> list[tuple[Weights, Tensor]]:
        """Each task's weights, with its support for the statistics of batch normalisation."""
        steps = self.options.test_inner_steps
        return [
            (self._adapt_task(images, labels, steps, meta_train=False), images)
            for images, labels in zip(support, support_labels, strict=True)
        ]

    def predict(self, adapted: list[tuple[Weights, Tensor]], query: Tensor) -> Tensor:
        return torch.stack([self._predict_task(task, images) for task, images in zip(adapted, query, strict=True)])

    def _adapt_task(self, support: Tensor, labels: Tensor, steps: int, *, meta_train: bool) -> Weights:
        """Equation 1, `steps` times; differentiable in the initial weights if `meta_train`."""
        weights: Weights = dict(self.network.named_parameters())
        second_order = meta_train and not self.options.first_order
        with torch.enable_grad():
            for _ in range(steps):
                loss = F.cross_entropy(functional_call(self.network, weights, support), labels)
                gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=second_order)
                rate = self.options.inner_learning_rate
                weights = {
                    name: weight - rate * gradient
                    for (name, weight), gradient in zip(weights.items(), gradients, strict=True)
                }
        return weights if meta_train else {name: weight.detach() for name, weight in weights.items()}

    def _predict_task(self, adapted: tuple[Weights, Tensor], query: Tensor) -> Tensor:
        weights, support = adapted
        if self.options.transductive:
            logits: Tensor = functional_call(self.network, weights, query)
            return logits
        with statistics_from(len(support)):
            both: Tensor = functional_call(self.network, weights, torch.cat([support, query]))
        return both[len(support) :]
