"""Batch normalisation with `params`."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from episodes.torchmeta.modules.module import MetaModule


class _MetaBatchNorm(_BatchNorm, MetaModule):
    """The running statistics are the layer's own, whichever `params` it is called with.

    They are used where `track_running_stats` is set when it is called, as by torchmeta; torch.nn asks whether it was
    set when the layer was made.
    """

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        momentum = self.momentum or 0.0
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        return F.batch_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight if params is None else params.get("weight"),
            self.bias if params is None else params.get("bias"),
            self.training or not self.track_running_stats,
            momentum,
            self.eps,
        )


class MetaBatchNorm1d(_MetaBatchNorm, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` with `params`."""


class MetaBatchNorm2d(_MetaBatchNorm, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` with `params`."""


class MetaBatchNorm3d(_MetaBatchNorm, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` with `params`."""
