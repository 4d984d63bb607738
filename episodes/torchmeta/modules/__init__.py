"""torchmeta.modules: layers that can be called with other parameters than their own."""

from episodes.torchmeta.modules.activation import MetaMultiheadAttention
from episodes.torchmeta.modules.batchnorm import MetaBatchNorm1d, MetaBatchNorm2d, MetaBatchNorm3d
from episodes.torchmeta.modules.container import MetaSequential
from episodes.torchmeta.modules.conv import MetaConv1d, MetaConv2d, MetaConv3d
from episodes.torchmeta.modules.linear import MetaBilinear, MetaLinear
from episodes.torchmeta.modules.module import MetaModule
from episodes.torchmeta.modules.normalization import MetaLayerNorm
from episodes.torchmeta.modules.parallel import DataParallel
from episodes.torchmeta.modules.sparse import MetaEmbedding, MetaEmbeddingBag

__all__ = [
    "DataParallel",
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
    "MetaMultiheadAttention",
    "MetaSequential",
]
