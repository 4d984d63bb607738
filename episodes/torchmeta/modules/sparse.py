"""Embeddings of numbers with `params`."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from episodes.torchmeta.modules.module import MetaModule


class MetaEmbedding(nn.Embedding, MetaModule):
    """`torch.nn.Embedding` with `params`."""

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Tensor:
        if params is None:
            return super().forward(input)
        return F.embedding(
            input,
            params["weight"],
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )


class MetaEmbeddingBag(nn.EmbeddingBag, MetaModule):
    """`torch.nn.EmbeddingBag` with `params`."""

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
        params: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        if params is None:
            return super().forward(input, offsets, per_sample_weights)
        return F.embedding_bag(
            input,
            params["weight"],
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )
