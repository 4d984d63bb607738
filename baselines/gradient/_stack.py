"""A network run on several tasks at once, each with weights of its own."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from baselines.gradient._batch_norm import TaskBatchNorm2d
from baselines.gradient._convolution import convolve

Weights = dict[str, Tensor]  # of T tasks, `[T, ...]` each

# Layers that treat each channel, or each number of a row, by itself.
BY_CHANNEL = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ReLU, nn.LeakyReLU, nn.Flatten, nn.Identity)


class Stack:
    """Runs a network on T tasks by stacked weights.

    Tasks are one pass where the network allows it: their channels lie side by side, convolutions are grouped and batch
    normalisation is by task as by channel. Any other network takes them one by one.

    Args:
        network: whose layers are run; its own weights have no part in it.
        shape: of an input.
    """

    def __init__(self, network: nn.Module, shape: tuple[int, ...]) -> None:
        self.network = network
        self.names = {name for name, _ in network.named_parameters()}
        twin = _side_by_side(network)
        self.side_by_side = twin if twin is not None and _same(twin, network, shape) else None
        layers = list(network.modules())
        self.convolves = any(isinstance(layer, nn.Conv2d) for layer in layers)
        self.normalises = any(isinstance(layer, TaskBatchNorm2d) for layer in layers)

    def __call__(self, weights: Weights, inputs: Tensor, rows: int | None = None) -> Tensor:
        """Outputs `[T, n, N]` of inputs `[T, n, ...]`; `rows` of each task's are those it is normalised by.

        Of the weights those count that have the name of one of the network's.
        """
        weights = {name: value for name, value in weights.items() if name in self.names}
        if self.side_by_side is not None:
            out: Tensor = functional_call(self.side_by_side, weights, _arguments(_interleaved(inputs), rows))
            return _by_task(out, len(inputs))
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


def _side_by_side(network: nn.Module) -> nn.Module | None:
    """The network for stacked weights and inputs `[n, T*C, H, W]`; None if it has a layer of another kind."""
    twin = copy.deepcopy(network).to("meta")  # its weights are always given
    for layer in twin.modules():
        if next(layer.children(), None) is not None or isinstance(layer, (TaskBatchNorm2d, *BY_CHANNEL)):
            continue
        if (
            type(layer) is nn.Conv2d
            and layer.groups == 1
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
        ):
            layer.__class__ = _StackedConv2d
        elif type(layer) is nn.Linear:
            layer.__class__ = _StackedLinear
        else:
            return None
    return twin


def _same(twin: nn.Module, network: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether both give the same for two tasks: between its layers a network may do what one cannot know."""
    like, drawn = next(network.parameters()), torch.Generator().manual_seed(0)
    inputs = torch.randn(2, 3, *shape, generator=drawn).to(like)
    weights = {
        name: torch.randn(2, *value.shape, generator=drawn).to(like) for name, value in network.named_parameters()
    }
    with torch.no_grad():
        alone = [
            functional_call(network, {name: value[task] for name, value in weights.items()}, inputs[task])
            for task in range(2)
        ]
        try:
            together: Tensor = functional_call(twin, weights, (_interleaved(inputs),))
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
