"""Attention with `params`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from episodes.torchmeta.modules.linear import MetaLinear
from episodes.torchmeta.modules.module import MetaModule


class MetaMultiheadAttention(nn.MultiheadAttention, MetaModule):
    """`torch.nn.MultiheadAttention` with `params`.

    Its output layer is a `MetaLinear` of that layer's own initial values, as in torchmeta. With `batch_first` its
    inputs are `[B, n, D]` like its output; torchmeta 1.8 takes them for `[n, B, D]`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        plain = self.out_proj
        self.out_proj = MetaLinear(  # type: ignore[assignment]
            plain.in_features,
            plain.out_features,
            bias=plain.bias is not None,
            device=plain.weight.device,
            dtype=plain.weight.dtype,
        )

    def forward(  # type: ignore[override]  # params comes where torchmeta has it
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        params: Mapping[str, Tensor] | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """See `torch.nn.MultiheadAttention.forward`."""
        own: Mapping[str, Tensor] = dict(self.named_parameters()) if params is None else params
        turned = self.batch_first and query.dim() == 3
        if turned:
            query, key, value = (each.transpose(0, 1) for each in (query, key, value))
        separate = not self._qkv_same_embed_dim
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            own.get("in_proj_weight"),
            own.get("in_proj_bias"),
            own.get("bias_k"),
            own.get("bias_v"),
            self.add_zero_attn,
            self.dropout,
            own["out_proj.weight"],
            own.get("out_proj.bias"),
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=separate,
            q_proj_weight=own["q_proj_weight"] if separate else None,
            k_proj_weight=own["k_proj_weight"] if separate else None,
            v_proj_weight=own["v_proj_weight"] if separate else None,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return output.transpose(0, 1) if turned else output, weights
