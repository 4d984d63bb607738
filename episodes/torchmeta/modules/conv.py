"""Convolutions with `params`."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from episodes.torchmeta.modules.module import MetaModule


class _MetaConv(_ConvNd, MetaModule):
    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        weight, bias = (self.weight, self.bias) if params is None else (params["weight"], params.get("bias"))
        # What torch.nn's own forward calls, and the one place that knows the padding modes.
        output: Tensor = self._conv_forward(input, weight, bias)
        return output


class MetaConv1d(_MetaConv, nn.Conv1d):
    """`torch.nn.Conv1d` with `params`."""


class MetaConv2d(_MetaConv, nn.Conv2d):
    """`torch.nn.Conv2d` with `params`."""


class MetaConv3d(_MetaConv, nn.Conv3d):
    """`torch.nn.Conv3d` with `params`."""
