"""Batch normalisation that keeps no state, for weights that change from task to task."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class TaskBatchNorm2d(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) by the batch at hand, in training and evaluation; keeps no state.

    Mean and variance are those of the first `rows` images of the batch, or of all. Its weights may be a stack, of T
    tasks by `[T, C]`, for images `[n, T*C, H, W]`. Differentiable twice without `rows`, and once with them.
    """

    takes_rows = True

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, images: Tensor, rows: int | None = None) -> Tensor:
        images = images.to(
            torch.promote_types(images.dtype, self.weight.dtype)
        )  # mixed precision has not enough digits
        values = (images, self.weight.flatten(), self.bias.flatten(), self.eps)
        normalised: Tensor = _Normalise.apply(*values) if rows is None else _NormaliseByRows.apply(*values, rows)
        return normalised


class _Normalise(torch.autograd.Function):
    """y = w (x - mean) r + b, where r is 1 / sqrt(variance + eps)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, eps: float) -> Tensor:
        y, mean, r = torch.native_batch_norm(x, w, b, None, None, True, 0.0, eps)
        ctx.save_for_backward(x, w, mean, r)
        ctx.eps = eps
        return y

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w, mean, r = ctx.saved_tensors
        return *_NormaliseBackward.apply(x, w, dy, mean, r, ctx.eps), None


class _NormaliseBackward(torch.autograd.Function):
    """The gradient of `_Normalise`, and in `backward` that gradient's own: torch's takes three times as many passes.

    With n the normalised x, M the number of values per channel and sums over them,

        db = sum(dy),  dw = sum(dy n),  dx = w r (dy - db / M - n dw / M),

    and `u`, `v`, `t` what comes back for dx, dw, db, whose function is F = sum(u dx) + sum(v dw) + sum(t db): here are
    dF/dx, dF/dw and dF/d(dy), each channel by channel a combination of x, u, dy and 1. `mean` and `r` are functions of
    x, not inputs of their own.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, dy: Tensor, mean: Tensor, r: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        backward = torch.ops.aten.native_batch_norm_backward
        dx, dw, db = backward(dy, x, w, None, None, mean, r, True, eps, [True, True, True])
        ctx.save_for_backward(x, w, dy, mean, r, dw, db)
        return dx, dw, db

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor, v: Tensor, t: Tensor) -> tuple[Tensor | None, ...]:
        x, w, dy, mean, r, dw, db = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        sum_u = _sums(u)
        sum_un = (_sums(u * x) - mean * sum_u) * r
        of_dx = _sums(u * dy) - (sum_u * db + sum_un * dw) / count  # sum(u dx) / (w r)
        scale = w * r

        # With r fixed, F depends on n by sum(n (by_u u + by_dy dy)).
        by_u, by_dy = -scale * dw / count, v - scale * sum_un / count
        of_x = r * by_dy
        for_dy = torch.addcmul(_wide(t - scale * sum_u / count - mean * of_x), x, _wide(of_x))
        for_dy.addcmul_(u, _wide(scale))

        total, total_n = by_u * sum_u + by_dy * db, by_u * sum_un + by_dy * dw
        of_x = -r * r * (total_n + scale * of_dx) / count  # the second term by way of r
        for_x = torch.addcmul(_wide(-r * total / count - mean * of_x), x, _wide(of_x))
        for_x.addcmul_(u, _wide(r * by_u)).addcmul_(dy, _wide(r * by_dy))
        return for_x, r * of_dx, for_dy, None, None, None


class _NormaliseByRows(torch.autograd.Function):
    """As `_Normalise`, by the mean and variance of the first rows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor, eps: float, rows: int) -> Tensor:
        first, mean, r = torch.native_batch_norm(x[:rows], w, b, None, None, True, 0.0, eps)
        scale = w * r
        y = torch.empty_like(x)
        y[:rows] = first
        torch.addcmul(_wide(b - mean * scale), x[rows:], _wide(scale), out=y[rows:])
        ctx.save_for_backward(x, w, mean, r)
        ctx.eps, ctx.rows = eps, rows
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, ...]:
        x, w, mean, r = ctx.saved_tensors
        first, others, rows = x[: ctx.rows], x[ctx.rows :], ctx.rows
        backward = torch.ops.aten.native_batch_norm_backward
        dx_first, dw, db = backward(dy[:rows], first, w, None, None, mean, r, True, ctx.eps, [True, True, True])
        of_shift = _sums(dy[rows:])
        of_scale = _sums(dy[rows:] * others) - mean * of_shift  # others are w r (x - mean) + b
        count = first.numel() // first.shape[1]
        of_x = -w * of_scale * r**3 / count
        dx = torch.empty_like(x)
        dx[:rows] = dx_first.addcmul_(first, _wide(of_x)).add_(_wide(-of_x * mean - w * r * of_shift / count))
        torch.mul(dy[rows:], _wide(w * r), out=dx[rows:])
        return dx, dw + r * of_scale, db + of_shift, None, None


def _sums(values: Tensor) -> Tensor:
    """`[C]`, over all but the channels of `[n, C, H, W]`."""
    return values.sum((0, 2, 3))


def _wide(of_channels: Tensor) -> Tensor:
    return of_channels[:, None, None]
