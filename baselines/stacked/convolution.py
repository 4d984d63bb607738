"""Convolution whose second derivatives are as fast as its first."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

Geometry = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int]  # stride, padding, dilation and groups


def convolve(x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
    """As `torch.nn.functional.conv2d`, differentiable twice."""
    y: Tensor = _Convolve.apply(x, w, b, geometry)
    return y


class _Convolve(torch.autograd.Function):
    """y = x * w + b."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry, ctx.biased = geometry, b is not None
        return torch.conv2d(x, w, b, *geometry)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        needed = (ctx.needs_input_grad[0], ctx.needs_input_grad[1])
        dx, dw = _ConvolveBackward.apply(x, w, dy, ctx.geometry, needed)
        return dx, dw, dy.sum((0, 2, 3)) if ctx.biased else None, None


class _ConvolveBackward(torch.autograd.Function):
    """The gradients dx and dw, each linear in dy; torch's own derivative of dw goes through its groups one by one."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, dy: Tensor, geometry: Geometry, needed: tuple[bool, bool]
    ) -> tuple[Tensor | None, Tensor | None]:
        ctx.save_for_backward(x, w, dy)
        ctx.geometry = geometry
        ctx.set_materialize_grads(False)
        dx, dw = _gradients(dy, x, w, geometry, needed)
        return dx, dw

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor | None, v: Tensor | None) -> tuple[Tensor | None, ...]:
        x, w, dy = ctx.saved_tensors
        for_x = for_w = for_dy = None
        if v is not None:
            v = v.contiguous(memory_format=torch.channels_last)
            for_dy = torch.conv2d(x, v, None, *ctx.geometry)
            if ctx.needs_input_grad[0]:
                for_x, _ = _gradients(dy, x, v, ctx.geometry, (True, False))
        if u is not None:
            of_u = torch.conv2d(u, w, None, *ctx.geometry)
            for_dy = of_u if for_dy is None else for_dy.add_(of_u)
            if ctx.needs_input_grad[1]:
                _, for_w = _gradients(dy, u, w, ctx.geometry, (False, True))
        return for_x, for_w, for_dy, None, None


def _gradients(
    dy: Tensor, x: Tensor, w: Tensor, geometry: Geometry, needed: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    stride, padding, dilation, groups = geometry
    if x.shape[1] == groups == 3:
        return _gradients_of_three(dy, x, w, geometry, needed)
    backward = torch.ops.aten.convolution_backward
    dx, dw, _ = backward(dy, x, w, None, stride, padding, dilation, False, (0, 0), groups, (*needed, False))
    return dx, dw


def _gradients_of_three(
    dy: Tensor, x: Tensor, w: Tensor, geometry: Geometry, needed: tuple[bool, bool]
) -> tuple[Tensor | None, Tensor | None]:
    """Those of three groups of one channel each, with a fourth beside them.

    oneDNN takes three channels for a colour image, and sums in another order than it does for two groups or four.
    """
    each = len(w) // 3
    dy, x = (torch.cat([of, of[:, :first]], 1) for of, first in ((dy, each), (x, 1)))
    dx, dw = _gradients(dy, x, torch.cat([w, w[:each]]), (*geometry[:3], 4), needed)
    return None if dx is None else dx[:, :3], None if dw is None else dw[: 3 * each]
