"""Attention with `params`."""

from typing import Any

from torch import nn

from episodes.torchmeta.modules.layer import MetaLayer
from episodes.torchmeta.modules.linear import MetaLinear


class MetaMultiheadAttention(MetaLayer, nn.MultiheadAttention):
    """`torch.nn.MultiheadAttention` with `params`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain = self.out_proj
        meta = MetaLinear(plain.in_features, plain.out_features, bias=plain.bias is not None)
        meta.weight, meta.bias = plain.weight, plain.bias
        self.out_proj = meta  # type: ignore[assignment]
