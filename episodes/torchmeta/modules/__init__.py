"""torchmeta.modules: layers that can be called with other parameters than their own."""

from episodes.torchmeta.modules.layers import (
    MetaBatchNorm1d,
    MetaBatchNorm2d,
    MetaBatchNorm3d,
    MetaBilinear,
    MetaConv1d,
    MetaConv2d,
    MetaConv3d,
    MetaEmbedding,
    MetaEmbeddingBag,
    MetaLayerNorm,
    MetaLinear,
    MetaSequential,
)
from episodes.torchmeta.modules.module import MetaModule

__all__ = [
    "MetaBatchNorm1d",
    "MetaBatchNorm2d",
    "MetaBatchNorm3d",
    "MetaBilinear",
    "MetaConv1d",
    "MetaConv2d",
    "MetaConv3d",
    "MetaEmbedding",
    "MetaEmbeddingBag",
    "MetaLayerNorm",
    "MetaLinear",
    "MetaModule",
    "MetaSequential",
]
