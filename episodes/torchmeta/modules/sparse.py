"""Embeddings of numbers with `params`."""

from torch import nn

from episodes.torchmeta.modules.layer import MetaLayer


class MetaEmbedding(MetaLayer, nn.Embedding):
    """`torch.nn.Embedding` with `params`."""


class MetaEmbeddingBag(MetaLayer, nn.EmbeddingBag):
    """`torch.nn.EmbeddingBag` with `params`."""
