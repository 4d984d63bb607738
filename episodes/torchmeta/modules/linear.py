"""Linear and bilinear layers with `params`."""

from torch import nn

from episodes.torchmeta.modules.layer import MetaLayer


class MetaBilinear(MetaLayer, nn.Bilinear):
    """`torch.nn.Bilinear` with `params`."""


class MetaLinear(MetaLayer, nn.Linear):
    """`torch.nn.Linear` with `params`."""
