"""One step of gradient descent that can itself be differentiated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor

from episodes.errors import DataError
from episodes.torchmeta.modules.module import MetaModule


def gradient_update_parameters(
    model: MetaModule,
    loss: Tensor,
    params: Mapping[str, Tensor] | None = None,
    step_size: float | Tensor | Mapping[str, float | Tensor] = 0.5,
    first_order: bool = False,
) -> OrderedDict[str, Tensor]:
    """The parameters after a step against the gradient of the inner loss (Finn et al. 2017, section 2.2).

    Args:
        model: the MetaModule that gave the loss.
        loss: of the train images, a scalar.
        params: those that the loss was computed with; None for the model's own.
        step_size: the inner learning rate; one for each parameter by name where it is a mapping.
        first_order: leave out the second derivatives.

    Raises:
        DataError: `model` is no MetaModule.
    """
    if not isinstance(model, MetaModule):
        raise DataError(f"the model must be a MetaModule, to be called with params; it is a {type(model).__name__}")
    before = OrderedDict(model.meta_named_parameters() if params is None else params)
    gradients = torch.autograd.grad(loss, list(before.values()), create_graph=not first_order)
    return OrderedDict(
        (name, value - (step_size[name] if isinstance(step_size, Mapping) else step_size) * gradient)
        for (name, value), gradient in zip(before.items(), gradients, strict=True)
    )
