"""The middle layer of a network, and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from metabench.backbone import example_inputs


class _Reached(Exception):  # noqa: N818 - not an error: what was wanted of the network is there
    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def middle_layer(network: nn.Module, shape: tuple[int, ...]) -> str:
    """The name of the layer at which half of a network's layers with weights are behind, of an odd number one more.

    Layers are the parts that follow each other: a convolution, a residual block, a block of a transformer. What follows
    one and has no weights to multiply by (normalisation, activation, pooling) belongs to it.

    Args:
        network: from inputs of that shape to features.
        shape: of an input.
    """
    names: dict[nn.Module, str] = {module: name for name, module in network.named_modules()}
    order: list[nn.Module] = []
    training = network.training
    network.eval()
    with ExitStack() as stack, torch.no_grad():
        for part in dict.fromkeys(_parts(network)):
            stack.callback(_after(part, lambda module, _: order.append(module)))
        network(example_inputs(1, shape))
    network.train(training)
    weighted = [place for place, part in enumerate(order) if any(each.ndim > 1 for each in part.parameters())]
    second_half = weighted[(len(weighted) + 1) // 2 :]
    behind = order[: second_half[0]] if second_half else order
    return names[[part for part in behind if order.count(part) == 1][-1]]  # what is used twice has no place of its own


def middle_output(network: nn.Module, layer: str, inputs: Tensor) -> Tensor:
    """What comes out of the layer of that name, `[n, ...]`, for a network's inputs `[n, ...]`, with its gradient.

    Later layers are not asked.
    """

    def stop(_: nn.Module, output: Tensor) -> None:
        raise _Reached(output)

    # Without a gradient networks would take their inputs in parts.
    with torch.enable_grad(), ExitStack() as stack:
        stack.callback(_after(network.get_submodule(layer), stop))
        try:
            network(inputs)
        except _Reached as found:
            return found.output
    raise AssertionError(f"the network does without its layer '{layer}'")


def _after(layer: nn.Module, then: Callable[[nn.Module, Tensor], Any]) -> Callable[[], None]:
    """Have that called with the layer and its output whenever it was asked; the function that ends it."""

    def hook(module: nn.Module, _: Any, output: Any) -> None:
        then(module, output[0] if isinstance(output, tuple) else output)

    return layer.register_forward_hook(hook).remove


def _parts(network: nn.Module) -> Iterator[nn.Module]:
    """Those that follow each other: of the network, or of what is alone in it; of a stack of blocks each block."""
    parts = [network]
    while len(parts) == 1 and list(parts[0].children()):
        parts = list(parts[0].children())
    for part in parts:
        yield from _opened(part)


def _opened(part: nn.Module) -> Iterator[nn.Module]:
    if isinstance(part, nn.Sequential | nn.ModuleList) or any(map(_is_stack, part.children())):
        for each in part.children():
            yield from _opened(each)
    else:
        yield part


def _is_stack(module: nn.Module) -> bool:
    """Whether it is a list of blocks of one class, as no branch inside of a block is."""
    blocks = list(module.children())
    return isinstance(module, nn.Sequential | nn.ModuleList) and len(blocks) > 1 and len({*map(type, blocks)}) == 1
