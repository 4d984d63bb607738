"""Convolutions with `params`."""

from torch import nn

from episodes.torchmeta.modules.layer import MetaLayer


class MetaConv1d(MetaLayer, nn.Conv1d):
    """`torch.nn.Conv1d` with `params`."""


class MetaConv2d(MetaLayer, nn.Conv2d):
    """`torch.nn.Conv2d` with `params`."""


class MetaConv3d(MetaLayer, nn.Conv3d):
    """`torch.nn.Conv3d` with `params`."""
