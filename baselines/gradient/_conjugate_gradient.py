"""Conjugate gradients (Hestenes and Stiefel 1952), for T linear systems at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from baselines.stacked.stack import Weights


def conjugate_gradient(product: Callable[[Weights], Weights], target: Weights, steps: int) -> Weights:
    """Of each task the x whose `product` is `target`, as far as so many steps from 0 come.

    Args:
        product: of a symmetric matrix for each task with a vector for each, of the names and shapes of `target`.
        target: `[T, ...]` each.
        steps: as many as a vector has numbers give the solution but for rounding.
    """
    solution = {name: torch.zeros_like(value) for name, value in target.items()}
    residual = direction = target
    left = _dot(residual, residual)
    for _ in range(steps):
        image = product(direction)
        length = _ratio(left, _dot(direction, image))
        solution = _sum(solution, length, direction)
        residual = _sum(residual, -length, image)
        before, left = left, _dot(residual, residual)
        direction = _sum(residual, _ratio(left, before), direction)
    return solution


def _dot(first: Weights, second: Weights) -> Tensor:
    """`[T]`."""
    return torch.stack([(first[name] * second[name]).flatten(1).sum(1) for name in first]).sum(0)


def _sum(first: Weights, factor: Tensor, second: Weights) -> Weights:
    """The first and `factor`, `[T]`, times the second."""
    return {
        name: torch.addcmul(value, factor.view(-1, *[1] * (value.ndim - 1)), second[name])
        for name, value in first.items()
    }


def _ratio(numerator: Tensor, denominator: Tensor) -> Tensor:
    """0 where the denominator is: that task's system is solved."""
    return torch.where(denominator == 0, 0.0, numerator / denominator)
