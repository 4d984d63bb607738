"""Batch normalisation with `params`."""

from torch import nn

from episodes.torchmeta.modules.layer import MetaLayer


class MetaBatchNorm1d(MetaLayer, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` with `params`."""


class MetaBatchNorm2d(MetaLayer, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` with `params`."""


class MetaBatchNorm3d(MetaLayer, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` with `params`."""
