"""How large the networks are that a learner scores with, as files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from safetensors.torch import save
from torch import Tensor

from metabench.backbone import Layers
from metabench.learner import Learner
from metabench.registry import named_networks

TYPES = ("float32", "float16", "int8")


def own_networks(learner: Learner) -> list[Layers]:
    """Those that were built by a backbone's name, without those of its companions."""
    of_others = {id(network) for other in learner.companions().values() for network in named_networks(other)}
    return [network for network in named_networks(learner) if id(network) not in of_others]


def stored_bytes(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """The size of a safetensors file of these tensors by the type that they are stored in, one of TYPES.

    Whole numbers stay as they are. As int8 each row of a matrix, or filter of a convolution, is whole numbers from -127
    to 127 times a scale of its own in float32; vectors, such as biases and statistics, stay float32.
    """
    return {kind: len(save(dict(_stored(tensors, kind)))) for kind in TYPES}


def _stored(tensors: Mapping[str, Tensor], kind: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in tensors.items():
        tensor = value.detach().cpu().contiguous()
        if not tensor.is_floating_point():
            yield name, tensor.clone()
        elif kind == "int8" and tensor.ndim > 1:
            values, scales = quantised(tensor.float())
            yield from ((name, values), (f"{name}.scale", scales))
        else:
            yield name, tensor.to(torch.float16 if kind == "float16" else torch.float32).clone()


def quantised(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers `[rows, ...]` int8 and scales `[rows]` float32, whose products are nearest to a matrix's rows."""
    scales = matrix.flatten(1).abs().amax(1).clamp(min=torch.finfo(torch.float32).tiny) / 127
    values = (matrix / scales.view(-1, *[1] * (matrix.ndim - 1))).round()
    return values.to(torch.int8).contiguous(), scales
