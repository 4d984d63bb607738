"""Layer normalisation with `params`."""

from torch import nn

from episodes.torchmeta.modules.layer import MetaLayer


class MetaLayerNorm(MetaLayer, nn.LayerNorm):
    """`torch.nn.LayerNorm` with `params`."""
