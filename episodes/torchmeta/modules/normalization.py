"""Layer normalisation with `params`."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from episodes.torchmeta.modules.module import MetaModule


class MetaLayerNorm(nn.LayerNorm, MetaModule):
    """`torch.nn.LayerNorm` with `params`."""

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        if params is None:
            return super().forward(input)
        return F.layer_norm(input, self.normalized_shape, params.get("weight"), params.get("bias"), self.eps)
