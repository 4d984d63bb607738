"""MetaLayer: what makes a MetaModule of a layer of torch.nn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.func import functional_call

from episodes.torchmeta.modules.module import MetaModule


class MetaLayer(MetaModule):
    """Mixed in before a layer of torch.nn: computes it with `params` where they are given."""

    def forward(self, *args: Any, params: Mapping[str, Tensor] | None = None, **kwargs: Any) -> Any:
        if params is None:
            return super().forward(*args, **kwargs)
        return functional_call(self, dict(params), args, kwargs)
