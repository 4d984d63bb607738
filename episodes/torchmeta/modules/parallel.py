"""DataParallel: a MetaModule on several GPUs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from episodes.torchmeta.modules.module import MetaModule


class DataParallel(nn.DataParallel[Any], MetaModule):
    """`torch.nn.DataParallel` with `params`, a keyword: the inputs are divided, each GPU gets all of `params`.

    Their names are the module's, with or without the prefix `module.`.
    """

    def forward(self, *inputs: Any, params: Mapping[str, Tensor] | None = None, **kwargs: Any) -> Any:
        if params is not None:
            kwargs["params"] = OrderedDict((name.removeprefix("module."), value) for name, value in params.items())
        return super().forward(*inputs, **kwargs)

    def scatter(
        self, inputs: tuple[Any, ...], kwargs: dict[str, Any] | None, device_ids: Sequence[int | torch.device]
    ) -> Any:
        others = dict(kwargs or {})
        params: Mapping[str, Tensor] | None = others.pop("params", None)
        if params is None and isinstance(self.module, MetaModule):
            # torch's replicas of a module have no parameters that `named_parameters` would find.
            params = dict(self.module.named_parameters())
        parts, keywords = super().scatter(inputs, others, device_ids)
        if params is None:
            return parts, keywords
        return parts, tuple(
            {**keyword, "params": OrderedDict((name, value.to(device)) for name, value in params.items())}
            for keyword, device in zip(keywords, device_ids, strict=False)
        )
