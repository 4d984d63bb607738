"""The inner loop of gradient-based meta-learning, for a block of tasks at once, and the gradient through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from baselines.stacked.stack import Stack, Weights, slices
from episodes.episode import LabelledEpisodeBatch

Rates = Mapping[str, Tensor]  # by the names of what a step changes; what has none stays as it is
Solved = tuple[Tensor, list[Tensor]]  # each task's loss `[T]`, and its gradients, `[T, ...]` each
# A step's number, all weights, predictions and labels; gives what the step reduces, as `error` of `InnerLoop`.
StepError = Callable[[int, Weights, Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Step:
    """One inner step of T tasks: its number, the weights before it, the gradients of their support's error, the rates.

    `weights` are leaves of the graph of `gradients`, where that is kept.
    """

    number: int
    weights: Weights
    gradients: Weights
    rates: Rates


class InnerLoop:
    """Gradient steps on the support of T tasks, each from its own weights.

    Args:
        stack: runs the network.
        error: of predictions `[T, n, N]` for labels `[T, n]`: `[T]`, each task's mean.
        step_error: what steps on the support reduce, where it is not `error`.
        second_order: whether the outer gradient has second derivatives (Finn et al. 2017, section 5.2).
        transductive: whether queries are normalised by their own batch statistics, in place of the support's.
        checkpoint: whether the outer gradient computes each step anew in place of keeping its graph.
    """

    def __init__(
        self,
        stack: Stack,
        error: Callable[[Tensor, Tensor], Tensor],
        *,
        step_error: StepError | None = None,
        second_order: bool = True,
        transductive: bool = False,
        checkpoint: bool = False,
    ) -> None:
        self.stack, self.error = stack, error
        self.step_error = step_error or (lambda number, weights, predictions, labels: error(predictions, labels))
        self.second_order, self.transductive, self.checkpoint = second_order, transductive, checkpoint

    def adapt(self, start: Weights, support: Tensor, labels: Tensor, rates: Sequence[Rates]) -> Weights:
        """The weights after as many steps as there are rates; no function of the weights before."""
        adapted = []
        for part in slices(support):
            weights = {name: value[part].detach() for name, value in start.items()}
            for number, of_step in enumerate(rates):
                weights = _after(self.step(number, weights, support[part], labels[part], of_step, keep=False))
            adapted.append(weights)
        return {name: torch.cat([weights[name] for weights in adapted]) for name in start}

    def predict(self, weights: Weights, support: Tensor, query: Tensor) -> Tensor:
        """Logits `[T, Q, N]` of the queries `[T, Q, ...]` by adapted weights."""
        parts = self._parts(weights, support, query)
        return torch.cat([self._predict(*part) for part in parts])

    def outer_gradients(
        self, start: Weights, rates: Sequence[Rates], episodes: LabelledEpisodeBatch, importance: Sequence[float]
    ) -> Solved:
        """The tasks' query errors after adaptation, with the gradients by `start` and then by `learned(rates)`.

        The gradient is known with the value: back from the queries, each step's Hessian-vector product takes it from
        the weights after the step to those before (the chain rule of Finn et al. 2017, algorithm 2, line 10), all
        tasks at once, while the queries are differentiated task by task, with respect to their own weights alone.

        Args:
            start: each task's initial weights.
            rates: of each inner step.
            episodes: the tasks.
            importance: of the query error after 0, 1, ... steps (Antoniou et al. 2019, equation 5).
        """
        support, labels = episodes.support, episodes.support_labels
        steps: list[Step] = []
        weights = {name: value.detach() for name, value in start.items()}
        keep = self.second_order and not self.checkpoint
        for number, of_step in enumerate(rates):
            steps.append(self.step(number, weights, support, labels, of_step, keep))
            weights = _after(steps[-1])

        values, back = self.query_error(weights, episodes, importance[-1])
        of_rates: list[Weights] = []
        for step, weight in zip(reversed(steps), reversed(importance[:-1]), strict=True):
            learns = [name for name, rate in step.rates.items() if rate.requires_grad]
            of_rates.append({name: -back[name] * step.gradients[name].detach() for name in learns})
            if self.second_order:
                back = self._back(step, support, labels, back)
            if weight:
                more, extra = self.query_error(step.weights, episodes, weight)
                values, back = values + more, {name: back[name] + extra[name] for name in back}
        return values, [*back.values(), *(each for of_step in reversed(of_rates) for each in of_step.values())]

    def step(self, number: int, weights: Weights, support: Tensor, labels: Tensor, rates: Rates, keep: bool) -> Step:
        """Equation 1 of Finn et al. 2017, up to the step itself."""
        leaves = {name: value.detach().requires_grad_() for name, value in weights.items()}
        with torch.enable_grad():
            error = self.step_error(number, leaves, self.stack(leaves, support), labels).sum()
            gradients = torch.autograd.grad(error, [leaves[name] for name in rates], create_graph=keep)
        return Step(number, leaves, dict(zip(rates, gradients, strict=True)), rates)

    def _back(self, step: Step, support: Tensor, labels: Tensor, back: Weights) -> Weights:
        """The gradient with respect to the weights before a step, from that after it."""
        if self.checkpoint:
            step = self.step(step.number, step.weights, support, labels, step.rates, keep=True)
        scaled = [-rate.detach() * back[name] for name, rate in step.rates.items()]
        through = torch.autograd.grad(
            list(step.gradients.values()), list(step.weights.values()), scaled, materialize_grads=True
        )
        return {name: back[name] + each for name, each in zip(step.weights, through, strict=True)}

    def query_error(
        self, weights: Weights, episodes: LabelledEpisodeBatch, importance: float
    ) -> tuple[Tensor, Weights]:
        """Each task's query error times its importance, `[T]`, and the gradient with respect to the weights."""
        values, gradients = [], []
        parts = self._parts(weights, episodes.support, episodes.query, episodes.query_labels)
        for of_part, support, query, labels in parts:
            leaves = {name: value.detach().requires_grad_() for name, value in of_part.items()}
            with torch.enable_grad():
                errors = importance * self.error(self._predict(leaves, support, query), labels)
                gradients.append(torch.autograd.grad(errors.sum(), list(leaves.values()), materialize_grads=True))
            values.append(errors.detach())
        of_weights = zip(weights, zip(*gradients, strict=True), strict=True)
        return torch.cat(values), {name: torch.cat(each) for name, each in of_weights}

    def _parts(self, weights: Weights, *inputs: Tensor) -> Iterator[tuple[Any, ...]]:
        """Weights and inputs of the tasks whose queries are one pass: on CPU one task's fill a convolution."""
        at_once = 1 if self.stack.convolves and inputs[0].device.type == "cpu" else len(inputs[0])
        for first in range(0, len(inputs[0]), at_once):
            part = slice(first, first + at_once)
            yield {name: value[part] for name, value in weights.items()}, *(each[part] for each in inputs)

    def _predict(self, weights: Weights, support: Tensor, query: Tensor) -> Tensor:
        if self.transductive or not self.stack.normalises:
            return self.stack(weights, query)
        both = self.stack(weights, torch.cat([support, query], 1), support.shape[1])
        return both[:, support.shape[1] :]


def learned(rates: Sequence[Rates]) -> list[Tensor]:
    """Those of the rates that training learns, step by step."""
    return [rate for of_step in rates for rate in of_step.values() if rate.requires_grad]


def known(value: Tensor, gradients: list[Tensor], inputs: list[Tensor]) -> Tensor:
    """A value whose gradient with respect to the inputs is known, each summed to its input's shape."""
    with_gradients: Tensor = _Known.apply(value, gradients, *inputs)
    return with_gradients


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, gradients: list[Tensor], *inputs: Tensor) -> Tensor:
        ctx.gradients = [each.sum_to_size(given.shape) for each, given in zip(gradients, inputs, strict=True)]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *(outer * each for each in ctx.gradients)


def _after(step: Step) -> Weights:
    """The weights after a step."""
    return {
        name: weight.detach() - step.rates[name].detach() * step.gradients[name].detach()
        if name in step.rates
        else weight.detach()
        for name, weight in step.weights.items()
    }


def blocks(episodes: LabelledEpisodeBatch) -> Iterator[LabelledEpisodeBatch]:
    """The episodes in blocks whose tasks take their inner steps together: memory is that of one block's graphs."""
    return (some(episodes, part) for part in slices(episodes.support))


def some(episodes: LabelledEpisodeBatch, part: slice) -> LabelledEpisodeBatch:
    """Some of the episodes."""
    named = ("support", "support_labels", "query", "query_labels")
    return replace(episodes, **{name: getattr(episodes, name)[part] for name in named})
