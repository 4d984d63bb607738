"""MetaSequential: modules one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from episodes.torchmeta.modules.module import MetaModule


class MetaSequential(nn.Sequential, MetaModule):
    """`torch.nn.Sequential` with `params`: each MetaModule in it gets its own, other modules none."""

    def forward(self, input: Tensor, params: Mapping[str, Tensor] | None = None) -> Any:
        for name, module in self._modules.items():
            if isinstance(module, MetaModule):
                input = module(input, params=self.get_subdict(params, name))
            else:
                input = module(input)
        return input
