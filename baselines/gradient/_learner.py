"""What learners that adapt by gradient steps have in common."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from baselines.backbones import Layers, build_backbone, feature_size
from baselines.gradient._batch_norm import TaskBatchNorm2d
from baselines.gradient._inner_loop import InnerLoop, Rates, blocks
from baselines.gradient._stack import Stack, Weights
from metabench.learner import (
    Count,
    Episodes,
    FixedTask,
    Kind,
    LabelledEpisodeBatch,
    Learner,
    Positive,
    Problem,
    RegressionTask,
    Stage,
    TrainingOptions,
    option,
)

Adapted = tuple[Weights, Tensor]  # weights of T tasks, and their support


class GradientLearner(Learner):
    """A network that takes a few gradient steps on a task's support, and is trained for what it predicts after them.

    A subclass may change where tasks start, what each step's learning rates are and which steps' predictions count.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text", "entities", "questions")
    label_equivariant = False
    fixed_ways = True
    regression = True

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        inner_steps: Annotated[int, Field(ge=0)] = option(
            5, "gradient steps on the support in training; 0 pre-trains on all tasks alike"
        )
        test_inner_steps: Count = option(10, "gradient steps on the support in validation and test")
        inner_learning_rate: Positive = option(0.1, "learning rate of the inner steps")
        meta_batch: Count = option(4, "tasks per training step")
        train_shots: Count | None = option(None, "support images per class in training; default as in the test task")
        train_queries: Count = option(5, "query images per class in training")
        first_order: bool = option(False, "leave out second derivatives")
        transductive: bool = option(False, "normalise queries by their own batch statistics")
        checkpoint: bool = option(
            False,
            "compute inner steps twice in place of keeping their graph: less memory, the same result",
            beside=True,
        )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.transductive = options.transductive
        backbone = build_backbone(options.backbone, problem.image_shape, norm=TaskBatchNorm2d)
        self.network = Layers(backbone, nn.Linear(feature_size(backbone, problem.image_shape), problem.task.ways))
        self.stack = Stack(self.network, problem.image_shape)

    def idle_options(self) -> Mapping[str, str]:
        idle = {} if self.options.inner_steps else dict.fromkeys(("first_order", "checkpoint"), "inner_steps is 0")
        if self.options.first_order:
            idle.setdefault("checkpoint", "first_order is true, which keeps no graph")
        if not self.stack.normalises:
            idle["transductive"] = "the network has no batch normalisation"
        return idle

    def stages(self) -> Sequence[Stage]:
        options, shots = self.options, self.options.train_shots or self.problem.task.shots
        task: FixedTask | RegressionTask = RegressionTask(shots, options.train_queries)
        if not self.problem.regression:
            task = FixedTask(self.problem.task.ways, shots, options.train_queries)
        return [Stage("meta-train", Episodes(task, options.meta_batch), self.loss, self, options)]

    def loss(self, episodes: LabelledEpisodeBatch) -> Iterator[Tensor]:
        """The query loss after adaptation, its mean over tasks, in parts whose sum it is."""
        rates = self.rates(self.options.inner_steps)
        importance = [weight / len(episodes) for weight in self.importance()]
        for block in blocks(episodes):
            start = self.start(block.support, block.support_labels, block.ways)
            yield self.inner_loop().outer_loss(start, rates, block, importance)

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Adapted:
        """Each task's weights, with its support for the statistics of batch normalisation."""
        start, rates = self.start(support, support_labels, ways), self.rates(self.options.test_inner_steps)
        return self.inner_loop().adapt(start, support, support_labels, rates), support

    def predict(self, adapted: Adapted, query: Tensor) -> Tensor:
        return self.inner_loop().predict(*adapted, query)

    def inner_loop(self) -> InnerLoop:
        options = self.options
        return InnerLoop(
            self.stack,
            self.error,
            second_order=not options.first_order,
            transductive=options.transductive,
            checkpoint=options.checkpoint,
        )

    def start(self, support: Tensor, support_labels: Tensor, ways: int) -> Weights:
        """The initial weights of each task: the same for all."""
        return {name: value.expand(len(support), *value.shape) for name, value in self.network.named_parameters()}

    def rates(self, steps: int) -> list[Rates]:
        """Of each inner step, the learning rate of each parameter."""
        rate = next(self.network.parameters()).new_tensor(self.options.inner_learning_rate)
        return [dict.fromkeys(self.adapted(), rate)] * steps

    def adapted(self) -> list[str]:
        """The names of the parameters that inner steps change."""
        return [name for name, _ in self.network.named_parameters()]

    def importance(self) -> list[float]:
        """Of the query loss after 0, 1, ... inner steps of training; they add up to 1."""
        return [0.0] * self.options.inner_steps + [1.0]

    def error(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """`[T]`, each task's mean, of predictions `[T, n, N]` for labels `[T, n]`."""
        if self.problem.regression:
            return F.mse_loss(predictions[..., 0], labels, reduction="none").mean(1)
        return F.cross_entropy(predictions.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).mean(1)

    def after_steps(self, steps: int) -> GradientLearner:
        other = copy.deepcopy(self)
        other.options = replace(self.options, test_inner_steps=steps)
        return other
