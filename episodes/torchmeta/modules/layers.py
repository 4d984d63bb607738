"""PyTorch's layers as MetaModules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from episodes.torchmeta.modules.module import MetaModule


class _WithParams(MetaModule):
    """Mixed in before a layer of torch.nn: computes it with `params` where they are given."""

    def forward(self, *args: Any, params: Mapping[str, Tensor] | None = None, **kwargs: Any) -> Any:
        if params is None:
            return super().forward(*args, **kwargs)
        return functional_call(self, dict(params), args, kwargs)


class MetaBatchNorm1d(_WithParams, nn.BatchNorm1d):
    """`torch.nn.BatchNorm1d` with `params`."""


class MetaBatchNorm2d(_WithParams, nn.BatchNorm2d):
    """`torch.nn.BatchNorm2d` with `params`."""


class MetaBatchNorm3d(_WithParams, nn.BatchNorm3d):
    """`torch.nn.BatchNorm3d` with `params`."""


class MetaBilinear(_WithParams, nn.Bilinear):
    """`torch.nn.Bilinear` with `params`."""


class MetaConv1d(_WithParams, nn.Conv1d):
    """`torch.nn.Conv1d` with `params`."""


class MetaConv2d(_WithParams, nn.Conv2d):
    """`torch.nn.Conv2d` with `params`."""


class MetaConv3d(_WithParams, nn.Conv3d):
    """`torch.nn.Conv3d` with `params`."""


class MetaEmbedding(_WithParams, nn.Embedding):
    """`torch.nn.Embedding` with `params`."""


class MetaEmbeddingBag(_WithParams, nn.EmbeddingBag):
    """`torch.nn.EmbeddingBag` with `params`."""


class MetaLayerNorm(_WithParams, nn.LayerNorm):
    """`torch.nn.LayerNorm` with `params`."""


class MetaLinear(_WithParams, nn.Linear):
    """`torch.nn.Linear` with `params`."""


class MetaSequential(nn.Sequential, MetaModule):
    """`torch.nn.Sequential` with `params`: each MetaModule in it gets its own, other modules none."""

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Any:
        for name, module in self._modules.items():
            if isinstance(module, MetaModule):
                input = module(input, params=self.get_subdict(params, name))
            elif module is not None:
                input = module(input)
        return input
