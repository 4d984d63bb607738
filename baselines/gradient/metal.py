"""MeTAL: meta-learning with a task-adaptive loss (Baik et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.gradient._inner_loop import InnerLoop
from baselines.gradient._learner import GradientLearner, checkpoint_option
from baselines.gradient._presets import PRESETS
from baselines.stacked.stack import Weights
from metabench.learner import Count, Kind, Paper, Problem, Source, option

PREFIX = "loss."  # of the loss's weights among a task's, which the network does not have


class MeTAL(GradientLearner):
    """MAML whose inner steps reduce a loss that is learned, and that changes with the task.

    Baik et al. 2021, section 3: the state of a task before a step is its support's cross-entropy and the mean of each
    tensor of weights. A small network gives a loss for each support example by the state, the example's logits and
    its label, one-hot. Its own weights are scaled and shifted, tensor by tensor, by what another small network says of
    the state, normalised. Each step has both networks anew. They are trained with the initial weights, by the query
    loss after the steps and so by second derivatives alone.

    Differs from the paper: it is inductive, without the second loss on the logits of the queries. The learned loss is
    added to the cross-entropy, and begins at 0, so that training begins as that of `maml`. Batch normalisation and
    settings are those of `maml`, too, where the paper builds on MAML++.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images",)

    @dataclass(frozen=True)
    class Options(GradientLearner.Options):
        test_inner_steps: Count | None = option(
            None, "gradient steps on the support in validation and test, at most inner_steps; none is as in training"
        )
        checkpoint: bool = checkpoint_option()

    of_each_step = "a loss"
    options: Options

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Baik, Sungyong and Choi, Janghoon and Kim, Heewon and Cho, Dohee and Min, Jaesik and Lee, Kyoung Mu",
                "Meta-Learning with Task-Adaptive Loss Function for Few-Shot Learning",
                2021,
                "https://arxiv.org/abs/2110.03909",
                "ICCV",
            ),
        ),
    )
    presets: ClassVar = {
        name: {**PRESETS[name], "inner_steps": max(2, PRESETS[name].get("inner_steps", 2)), "test_inner_steps": None}
        for name in ("glyphs", "omniglot", "sinusoid")
    }

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        width = 1 + len(self.adapted())
        outputs = 1 if problem.regression else problem.task.ways
        self.losses = nn.ModuleList(_TaskLoss(width, outputs) for _ in range(options.inner_steps))

    def start(self, support: Tensor, support_labels: Tensor, ways: int) -> Weights:
        own = {
            PREFIX + name: value.expand(len(support), *value.shape) for name, value in self.losses.named_parameters()
        }
        return {**super().start(support, support_labels, ways), **own}

    def inner_loop(self) -> InnerLoop:
        options = self.options
        return InnerLoop(
            self.stack,
            self.error,
            step_error=self.step_error,
            transductive=options.transductive,
            checkpoint=options.checkpoint,
        )

    def step_error(self, number: int, weights: Weights, predictions: Tensor, labels: Tensor) -> Tensor:
        """The cross-entropy and the learned loss of step `number`, `[T]`."""
        plain = self.error(predictions, labels)
        state = torch.stack([plain, *(weights[name].flatten(1).mean(1) for name in self.adapted())], 1)
        known = labels[..., None] if self.problem.regression else F.one_hot(labels, predictions.shape[2])
        begin = f"{PREFIX}{number}."
        own = {name.removeprefix(begin): value for name, value in weights.items() if name.startswith(begin)}
        return plain + _learned(own, state, predictions, known.to(predictions))


class _TaskLoss(nn.Module):
    """The weights of one step's loss and of what adapts it; `_learned` is what they do.

    Args:
        width: of the state.
        outputs: of the network.
    """

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        inputs = width + 2 * outputs
        self.hidden, self.out = nn.Linear(inputs, inputs), nn.Linear(inputs, 1, bias=False)
        # A factor and a shift for each of the three tensors above.
        self.state_hidden, self.state_out = nn.Linear(width, width), nn.Linear(width, 6)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.state_out.weight)
        nn.init.zeros_(self.state_out.bias)


def _learned(own: Weights, state: Tensor, predictions: Tensor, known: Tensor) -> Tensor:
    """The mean of a step's loss over the support, `[T]`, by each task's own weights of `_TaskLoss`.

    Args:
        own: `[T, ...]` each.
        state: `[T, W]`.
        predictions: `[T, n, N]`.
        known: the labels, likewise.
    """
    centred = state - state.mean(1, keepdim=True)
    scaled = centred / (state.std(1, keepdim=True) + 1e-12)
    hidden = _linear(scaled[:, None], own["state_hidden.weight"], own["state_hidden.bias"]).relu()
    factors, shifts = _linear(hidden, own["state_out.weight"], own["state_out.bias"])[:, 0, :, None].chunk(2, 1)
    first, bias, last = (
        (1 + factors[:, place, :, None]) * weight + shifts[:, place, :, None]
        for place, weight in enumerate((own["hidden.weight"], own["hidden.bias"][:, None], own["out.weight"]))
    )
    inputs = torch.cat([state[:, None].expand(-1, predictions.shape[1], -1), predictions, known], 2)
    of_each = _linear(inputs, first, bias[:, 0]).relu() @ last.transpose(1, 2)
    return of_each[..., 0].mean(1)


def _linear(inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Each task's own layer: `[T, n, D]` by `[T, H, D]` and `[T, H]`."""
    return inputs @ weight.transpose(1, 2) + bias[:, None]
