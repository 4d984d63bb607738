"""Batch normalisation that keeps no state, for weights that change from task to task."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class TaskBatchNorm2d(nn.Module):
    """Batch normalisation (Ioffe and Szegedy 2015) by the batch at hand, in training and evaluation; keeps no state.

    Mean and variance are those of the first `rows` images of the batch, or of all.
    """

    takes_rows = True

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, images: Tensor, rows: int | None = None) -> Tensor:
        if rows is None:
            return F.batch_norm(images, None, None, self.weight, self.bias, training=True, eps=self.eps)
        images = images.to(torch.promote_types(images.dtype, torch.float32))  # as F.batch_norm does inside
        variance, mean = torch.var_mean(images[:rows], dim=(0, 2, 3), correction=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return images * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
