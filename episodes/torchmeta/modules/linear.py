"""Linear and bilinear layers with `params`."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from episodes.torchmeta.modules.module import MetaModule


class MetaLinear(nn.Linear, MetaModule):
    """`torch.nn.Linear` with `params`."""

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        if params is None:
            return super().forward(input)
        return F.linear(input, params["weight"], params.get("bias"))


class MetaBilinear(nn.Bilinear, MetaModule):
    """`torch.nn.Bilinear` with `params`."""

    def forward(self, input1: Tensor, input2: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        if params is None:
            return super().forward(input1, input2)
        return F.bilinear(input1, input2, params["weight"], params.get("bias"))
