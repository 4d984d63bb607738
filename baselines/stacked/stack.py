"""A network run on several tasks at once, each with weights of its own."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from baselines.stacked.batch_norm import TaskBatchNorm2d
from baselines.stacked.convolution import convolve

Weights = dict[str, Tensor]  # of T tasks, `[T, ...]` each

# Numbers in the supports that take their steps together: what a processor's cache holds, and what fills a GPU.
AT_ONCE = {"cpu": 1 << 15, "cuda": 1 << 23}
WITHOUT_GRAPH = 4  # times as many where no step is taken, which keeps one layer's maps at a time

# Layers that treat each channel, or each number of a row, by itself.
BY_CHANNEL = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ReLU, nn.LeakyReLU, nn.Flatten, nn.Identity)


class Stack:
    """Runs a network on T tasks by stacked weights.

    Tasks are one pass where the network allows it: their channels lie side by side, convolutions are grouped and batch
    normalisation is by task as by channel, or, by the statistics of training, a part of the convolution before it. Any
    other network takes them one by one.

    Args:
        network: whose layers are run; its own weights have no part in it. Batch normalisation of torch's has to be in
            evaluation mode, and keeps the network's statistics.
        shape: of an input.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        self.network = network
        self.own = dict(network.named_parameters())
        self.side_by_side = _SideBySide.of(network, shape)
        layers = list(network.modules())
        self.convolves = any(isinstance(layer, nn.Conv2d) for layer in layers)
        self.normalises = any(isinstance(layer, TaskBatchNorm2d) for layer in layers)

    def __call__(self, weights: Weights, inputs: Tensor, rows: int | None = None) -> Tensor:
        """Outputs `[T, n, N]` of inputs `[T, n, ...]`; `rows` of each task's are those it is normalised by.

        Of the weights those count that have the name of one of the network's.
        """
        weights = {name: value for name, value in weights.items() if name in self.own}
        if self.side_by_side is not None:
            return _by_task(self.side_by_side(weights, _interleaved(inputs), rows), len(inputs))
        by_task = zip(*(value.unbind() for value in weights.values()), inputs, strict=True)
        return torch.stack(
            [
                functional_call(self.network, dict(zip(weights, own, strict=True)), _arguments(of_task, rows))
                for *own, of_task in by_task
            ]
        )


class _StackedConv2d(nn.Conv2d):
    def forward(self, images: Tensor) -> Tensor:
        weight = self.weight.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        bias = None if self.bias is None else self.bias.flatten()
        assert not isinstance(self.padding, str)
        return convolve(images, weight, bias, (self.stride, self.padding, self.dilation, len(self.weight)))


class _StackedLinear(nn.Linear):
    def forward(self, inputs: Tensor) -> Tensor:
        by_task = _by_task(inputs, len(self.weight))
        out = by_task @ self.weight.transpose(1, 2)
        if self.bias is not None:
            out = out + self.bias[:, None]
        side_by_side: Tensor = out.transpose(0, 1).flatten(1)
        return side_by_side


class _SideBySide:
    """A network for stacked weights and inputs `[n, T*C, H, W]`."""

    def __init__(self, network: nn.Module) -> None:
        self.twin = copy.deepcopy(network).to("meta")  # its weights are always given
        self.network, self.fixed = network, _fixed_norms(network)
        for norm, convolution in self.fixed.items():
            self.twin.set_submodule(norm, nn.Identity())
            layer = self.twin.get_submodule(convolution)
            assert isinstance(layer, nn.Conv2d)
            layer.bias = nn.Parameter(torch.empty(layer.out_channels, device="meta"))
        for layer in self.twin.modules():
            if isinstance(layer, nn.Conv2d):
                layer.__class__ = _StackedConv2d
            elif isinstance(layer, nn.Linear):
                layer.__class__ = _StackedLinear

    @classmethod
    def of(cls, network: nn.Module, shape: tuple[int, ...]) -> _SideBySide | None:
        """That of a network; None if it has a layer of another kind, or does between its layers what one cannot do."""
        fixed = _fixed_norms(network)
        layers = ((name, layer) for name, layer in network.named_modules() if next(layer.children(), None) is None)
        if not all(name in fixed or _stackable(layer) for name, layer in layers):
            return None
        made = cls(network)
        return made if _same(made, network, shape) else None

    def __call__(self, weights: Weights, inputs: Tensor, rows: int | None = None) -> Tensor:
        out: Tensor = functional_call(self.twin, self._without_norms(weights), _arguments(inputs, rows))
        return out

    def _without_norms(self, weights: Weights) -> Weights:
        """Convolutions that do what those of these weights and the normalisation after them do."""
        weights = dict(weights)
        for norm, convolution in self.fixed.items():
            layer = self.network.get_submodule(norm)
            assert isinstance(layer, nn.BatchNorm2d)
            assert layer.running_mean is not None
            assert layer.running_var is not None
            scale = weights.pop(f"{norm}.weight") * torch.rsqrt(layer.running_var + layer.eps)
            shift = weights.pop(f"{norm}.bias") - layer.running_mean * scale
            bias = weights.get(f"{convolution}.bias")
            weights[f"{convolution}.weight"] = weights[f"{convolution}.weight"] * scale[..., None, None, None]
            weights[f"{convolution}.bias"] = shift if bias is None else torch.addcmul(shift, bias, scale)
        return weights


def _fixed_norms(network: nn.Module) -> dict[str, str]:
    """By the name of each normalisation with the statistics of training, that of the convolution before it."""
    found = {}
    for prefix, parent in network.named_modules():
        if isinstance(parent, nn.Sequential):
            for (first, before), (second, layer) in pairwise(parent.named_children()):
                fixed = type(layer) is nn.BatchNorm2d and layer.affine and layer.running_mean is not None
                if fixed and not layer.training and type(before) is nn.Conv2d:
                    norm, convolution = (f"{prefix}.{name}" if prefix else name for name in (second, first))
                    found[norm] = convolution
    return found


def _stackable(layer: nn.Module) -> bool:
    if type(layer) is nn.Conv2d:
        return layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return type(layer) is nn.Linear or isinstance(layer, (TaskBatchNorm2d, *BY_CHANNEL))


def _same(twin: _SideBySide, network: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether both give the same for two tasks: between its layers a network may do what one cannot know.

    In double precision, as the statistics of training may leave a network's values at any size.
    """
    like, drawn = next(network.parameters()), torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 3, *shape, generator=drawn).to(like.device, torch.float64)
    weights = {
        name: torch.randn(2, *value.shape, generator=drawn).to(inputs) / math.sqrt(value[0].numel())
        for name, value in network.named_parameters()
    }
    buffers = {name: value.double() for name, value in network.named_buffers() if value.is_floating_point()}
    with torch.no_grad():
        alone = [
            functional_call(network, buffers | {name: value[task] for name, value in weights.items()}, inputs[task])
            for task in range(2)
        ]
        try:
            together = twin(weights, _interleaved(inputs))
        except (RuntimeError, ValueError, TypeError, IndexError):
            return False
    expected = torch.stack(alone, 1).flatten(1)
    return together.shape == expected.shape and torch.allclose(together, expected, rtol=1e-3, atol=1e-3)


def _arguments(inputs: Tensor, rows: int | None) -> tuple[Any, ...]:
    return (inputs,) if rows is None else (inputs, rows)


def _interleaved(inputs: Tensor) -> Tensor:
    """Inputs `[T, n, C, ...]` as `[n, T*C, ...]`, images in the layout that pooling and normalisation are fastest in.

    They are copied, as `contiguous` leaves images of one channel as they are, and with them the first layer's output.
    """
    together = inputs.transpose(0, 1).flatten(1, 2)
    if together.ndim != 4:
        return together
    return torch.empty_like(together, memory_format=torch.channels_last).copy_(together)


def _by_task(values: Tensor, tasks: int) -> Tensor:
    """`[n, T*D]` as `[T, n, D]`."""
    return values.view(len(values), tasks, -1).transpose(0, 1)


def slices(support: Tensor) -> Iterator[slice]:
    """Which of the tasks, whose support is `[T, n, ...]`, take their steps together."""
    at_once = max(1, _at_once(support) // support[0].numel())
    return (slice(first, min(first + at_once, len(support))) for first in range(0, len(support), at_once))


def queries_at_once(query: Tensor) -> int:
    """How many queries of each of T tasks, `[T, Q, ...]`, are one pass where nothing is learned."""
    return max(1, WITHOUT_GRAPH * _at_once(query) // query[:, 0].numel())


def _at_once(inputs: Tensor) -> int:
    return AT_ONCE.get(inputs.device.type, AT_ONCE["cpu"])
