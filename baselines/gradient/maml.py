"""Model-agnostic meta-learning (Finn, Abbeel, Levine 2017)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call, grad

from baselines.backbones import Layers, build_backbone, feature_size
from baselines.gradient._batch_norm import TaskBatchNorm2d
from episodes.episode import item_counts
from metabench.learner import (
    Count,
    Episodes,
    FixedTask,
    Kind,
    LabelledEpisodeBatch,
    Learner,
    Paper,
    Positive,
    Problem,
    RegressionTask,
    Source,
    Stage,
    TrainingOptions,
    option,
)

Weights = dict[str, Tensor]
Adapted = tuple[Weights, Tensor]  # of one task: its weights and its support

# The network, inner steps and inner rate of the paper's 5-way Omniglot experiment (section 5.2, appendix A.1).
OMNIGLOT = {"backbone": "conv4-strided", "inner_steps": 1, "test_inner_steps": 3, "inner_learning_rate": 0.4}

# Those of the paper's regression experiment (section 5.1).
SINUSOID = {"backbone": "mlp:40", "steps": 70_000, "meta_batch": 25, "train_shots": 10, "train_queries": 10}
SINUSOID |= {"inner_steps": 1, "test_inner_steps": 10, "inner_learning_rate": 0.01, "schedule": "constant"}


class MAML(Learner):
    """Learn initial weights from which a few gradient steps on the support solve a task.

    Finn et al. 2017: inner steps (equation 1), meta-gradient through them (algorithm 2); second order unless
    `first_order=true` (section 5.2). Batch normalisation always uses batch statistics: the support's in the inner
    steps, and for the queries

    - by default the support's too, under the adapted weights, so that each query is answered on its own;
    - with `transductive=true` the queries' own, as in the paper's code: a query's answer then depends on the others.

    The head has its own initial row for each label, as in the paper, so that renaming labels changes predictions a
    little (Ye and Chao 2022, section 4). Differs from the paper: the non-transductive default, and Adam's learning
    rate follows a cosine (`schedule=constant` is the paper's). On characters the paper's meta-batch is 32 tasks.

    In regression both losses are the mean squared error (equation 2). On `sinusoid` the defaults are the paper's
    (section 5.1; meta-batch and steps are those of its code); differs from the paper: torch's initial weights. With
    `inner_steps=0` training does not adapt to tasks, which makes it the paper's baseline "pretrained on all tasks".
    """

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Finn, Chelsea and Abbeel, Pieter and Levine, Sergey",
                "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks",
                2017,
                "https://arxiv.org/abs/1703.03400",
                "ICML",
            ),
        ),
    )
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

    presets: ClassVar = {  # chosen by accuracy on validation against processor time: results/studies/
        "glyphs": {"steps": 3000, "meta_batch": 2, **OMNIGLOT},
        "omniglot": {"steps": 12_000, "meta_batch": 4, **OMNIGLOT},
        "sinusoid": SINUSOID,
        **{kind: {"meta_batch": 1} for kind in ("entities", "questions")},
        "text": {"backbone": "bert-tiny", "steps": 500, "first_order": True, "inner_learning_rate": 0.05},
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options = options
        self.transductive = options.transductive
        backbone = build_backbone(options.backbone, problem.image_shape, norm=TaskBatchNorm2d)
        self.network = Layers(backbone, nn.Linear(feature_size(backbone, problem.image_shape), problem.task.ways))

    def idle_options(self) -> Mapping[str, str]:
        idle = {} if self.options.inner_steps else {"first_order": "inner_steps is 0"}
        if not any(isinstance(module, TaskBatchNorm2d) for module in self.network.modules()):
            idle["transductive"] = "the network has no batch normalisation"
        return idle

    def stages(self) -> Sequence[Stage]:
        options, shots = self.options, self.options.train_shots or self.problem.task.shots
        task: FixedTask | RegressionTask = RegressionTask(shots, options.train_queries)
        if not self.problem.regression:
            task = FixedTask(self.problem.task.ways, shots, options.train_queries)
        return [Stage("meta-train", Episodes(task, options.meta_batch), self.loss, self, options)]

    def loss(self, episodes: LabelledEpisodeBatch) -> Tensor | Iterator[Tensor]:
        """The query loss after adaptation, its mean over tasks (algorithm 2, line 10).

        Images are taken task by task, in parts whose sum it is, which keeps memory at one task's graph; a
        regression's few numbers all at once, which is much faster.
        """
        tasks = (episodes.support, episodes.support_labels, episodes.query, episodes.query_labels)
        if self.problem.regression:
            return torch.vmap(self._task_loss)(*tasks).mean()
        return (self._task_loss(*task) / len(episodes) for task in zip(*tasks, strict=True))

    def adapt(self, support: Tensor, support_labels: Tensor, ways: int) -> list[Adapted] | Adapted:
        """Each task's weights, with its support for the statistics of batch normalisation.

        Images are taken task by task, as in training; in regression all tasks are one call, and one stack of weights.
        """
        adapt = partial(self._adapt_task, steps=self.options.test_inner_steps)
        with torch.no_grad():  # of what is outside the inner steps: their result is no function of the weights
            if self.problem.regression:
                return torch.vmap(adapt)(support, support_labels), support
            return [(adapt(*task), task[0]) for task in zip(support, support_labels, strict=True)]

    def predict(self, adapted: list[Adapted] | Adapted, query: Tensor) -> Tensor:
        if isinstance(adapted, tuple):
            return torch.vmap(self._predict_task)(adapted, query)
        return torch.stack([self._predict_task(task, inputs) for task, inputs in zip(adapted, query, strict=True)])

    def after_steps(self, steps: int) -> MAML:
        other = copy.deepcopy(self)
        other.options = replace(self.options, test_inner_steps=steps)
        return other

    def _task_loss(self, support: Tensor, labels: Tensor, query: Tensor, query_labels: Tensor) -> Tensor:
        weights = self._adapt_task(support, labels, self.options.inner_steps)
        return self._error(self._predict_task((weights, support), query), query_labels)

    def _error(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Equation 2 or 3, as a mean: of predictions `[n, N]` to labels `[n]`."""
        return (
            F.mse_loss(predictions[:, 0], labels) if self.problem.regression else F.cross_entropy(predictions, labels)
        )

    def _adapt_task(self, support: Tensor, labels: Tensor, steps: int) -> Weights:
        """Equation 1, `steps` times; differentiable in the initial weights."""

        def error(weights: Weights) -> Tensor:
            predictions: Tensor = functional_call(self.network, weights, support)
            return self._error(predictions, labels)

        weights: Weights = dict(self.network.named_parameters())
        for _ in range(steps):
            gradients = grad(error)(weights)
            if self.options.first_order:
                gradients = {name: gradient.detach() for name, gradient in gradients.items()}
            rate = self.options.inner_learning_rate
            weights = {name: weight - rate * gradients[name] for name, weight in weights.items()}
        return weights

    def _predict_task(self, adapted: Adapted, query: Tensor) -> Tensor:
        weights, support = adapted
        if self.options.transductive:
            logits: Tensor = functional_call(self.network, weights, query)
            return logits
        both: Tensor = functional_call(self.network, weights, (torch.cat([support, query]), len(support)))
        return both[sum(item_counts(support)) :]
