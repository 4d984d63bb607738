"""What learners that adapt by gradient steps have in common."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from baselines.backbones import Layers, build_backbone, feature_size
from baselines.gradient._divided import divisible, losses
from baselines.gradient._inner_loop import InnerLoop, Rates, Solved, learned
from baselines.stacked.batch_norm import TaskBatchNorm2d
from baselines.stacked.stack import Stack, Weights
from metabench.errors import UsageError
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


def checkpoint_option() -> Any:
    """The option `checkpoint`, of learners whose training keeps the graphs of inner steps."""
    return option(
        False, "compute inner steps twice in place of keeping their graph: less memory, the same result", beside=True
    )


class StepLearner(Learner):
    """A network that takes a few gradient steps on a task's support.

    A subclass writes `loss`, and may change where tasks start and what each step's learning rates are.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text", "entities", "questions")
    label_equivariant = False
    fixed_ways = True
    regression = True
    of_each_step = ""  # what each inner step of training has of its own, so that a test task cannot take more steps

    @dataclass(frozen=True)
    class Options(TrainingOptions):
        inner_steps: Count = option(5, "gradient steps on the support in training")
        test_inner_steps: Count | None = option(
            10, "gradient steps on the support in validation and test; none is as in training"
        )
        inner_learning_rate: Positive = option(0.1, "learning rate of the inner steps")
        meta_batch: Count = option(4, "tasks per training step")
        train_shots: Count | None = option(None, "support images per class in training; default as in the test task")
        transductive: bool = option(False, "normalise queries by their own batch statistics")

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.transductive = options.transductive
        self.test_steps = options.inner_steps if options.test_inner_steps is None else options.test_inner_steps
        backbone = build_backbone(options.backbone, problem.image_shape, norm=TaskBatchNorm2d)
        self.network = Layers(backbone, nn.Linear(feature_size(backbone, problem.image_shape), problem.task.ways))
        self.stack = Stack(self.network, problem.image_shape)
        self.check_steps(self.test_steps)

    def check_steps(self, steps: int) -> None:
        """Refuse more steps than training has, where each has something of its own.

        Raises:
            UsageError: there are more.
        """
        most = self.options.inner_steps
        if self.of_each_step and steps > most:
            raise UsageError(
                f"this learner cannot take {steps} inner steps on a test task: each of its {most} training steps has "
                f"{self.of_each_step} of its own; give at most {most}, or a larger inner_steps"
            )

    def idle_options(self) -> Mapping[str, str]:
        return {} if self.stack.normalises else {"transductive": "the network has no batch normalisation"}

    def stages(self) -> Sequence[Stage]:
        options, shots = self.options, self.options.train_shots or self.problem.task.shots
        task: FixedTask | RegressionTask = RegressionTask(shots, self.training_queries())
        if not self.problem.regression:
            task = FixedTask(self.problem.task.ways, shots, self.training_queries())
        return [Stage("meta-train", Episodes(task, options.meta_batch), self.loss, self, options)]

    def training_queries(self) -> int:
        """How many queries per class a training episode has."""
        raise NotImplementedError

    def loss(self, episodes: LabelledEpisodeBatch) -> Iterator[Tensor]:
        """Of the training episodes, in parts whose sum it is."""
        raise NotImplementedError

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> Adapted:
        """Each task's weights, with its support for the statistics of batch normalisation."""
        start, rates = self.start(support, support_labels, ways), self.rates(self.test_steps)
        return self.inner_loop().adapt(start, support, support_labels, rates), support

    def predict(self, adapted: Adapted, query: Tensor) -> Tensor:
        return self.inner_loop().predict(*adapted, query)

    def inner_loop(self) -> InnerLoop:
        return InnerLoop(self.stack, self.error, second_order=False, transductive=self.options.transductive)

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

    def head(self) -> list[str]:
        """The names of the parameters of the last layer."""
        return [f"1.{name}" for name, _ in self.network[1].named_parameters()]

    def error(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """`[T]`, each task's mean, of predictions `[T, n, N]` for labels `[T, n]`."""
        if self.problem.regression:
            return F.mse_loss(predictions[..., 0], labels, reduction="none").mean(1)
        return F.cross_entropy(predictions.flatten(0, 1), labels.flatten(), reduction="none").view_as(labels).mean(1)

    def after_steps(self, steps: int) -> StepLearner:
        self.check_steps(steps)
        other = copy.deepcopy(self)
        other.test_steps = steps
        return other


class GradientLearner(StepLearner):
    """A `StepLearner` that is trained for what it predicts after the steps, which have no second derivatives.

    A subclass may also change which steps' predictions count.
    """

    @dataclass(frozen=True)
    class Options(StepLearner.Options):
        train_queries: Count = option(5, "query images per class in training")

    options: Options

    def stages(self) -> Sequence[Stage]:
        several = self.options.meta_batch > 1
        return [replace(stage, by_ranks=several and self.divides) for stage in super().stages()]

    def training_queries(self) -> int:
        return self.options.train_queries

    def loss(self, episodes: LabelledEpisodeBatch) -> Iterator[Tensor]:
        """The query loss after adaptation, its mean over tasks, in parts whose sum it is."""
        loop, rates = self.inner_loop(), self.rates(self.options.inner_steps)
        importance = [weight / len(episodes) for weight in self.importance()]

        def solve(start: Weights, tasks: LabelledEpisodeBatch) -> Solved:
            return loop.outer_gradients(start, rates, tasks, importance)

        return losses(episodes, self.start_of, learned(rates), solve, self.divides)

    @property
    def divides(self) -> bool:
        """Whether ranks may divide the tasks of a meta-batch."""
        return divisible(self.network)

    def start_of(self, episodes: LabelledEpisodeBatch) -> Weights:
        """As `start`."""
        return self.start(episodes.support, episodes.support_labels, episodes.ways)

    def importance(self) -> list[float]:
        """Of the query loss after 0, 1, ... inner steps of training; they add up to 1."""
        return [0.0] * self.options.inner_steps + [1.0]


class SecondOrderLearner(GradientLearner):
    """A `GradientLearner` whose training differentiates through the inner steps, unless it is told not to."""

    @dataclass(frozen=True)
    class Options(GradientLearner.Options):
        first_order: bool = option(False, "leave out second derivatives")
        checkpoint: bool = checkpoint_option()

    options: Options

    def idle_options(self) -> Mapping[str, str]:
        idle = dict(super().idle_options())
        if self.options.first_order:
            idle["checkpoint"] = "first_order is true, which keeps no graph"
        return idle

    def inner_loop(self) -> InnerLoop:
        return InnerLoop(
            self.stack,
            self.error,
            second_order=not self.options.first_order,
            transductive=self.options.transductive,
            checkpoint=self.options.checkpoint,
        )
