"""What a task's fine-tuning changes of a network, and the support that it sees."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from episodes.extras import need
from metabench.errors import UsageError

# The projections to queries and values, as transformers, timm and others name them; `qkv` has keys beside them.
PROJECTIONS = ("query", "value", "query_proj", "value_proj", "q_proj", "v_proj", "q_lin", "v_lin", "qkv")
LISTS = (nn.Sequential, nn.ModuleList)
LORA = "lora_"  # what names of its parameters have
SHIFT = 8  # the part of a side by which a crop is moved at most


def layers_of(network: nn.Module) -> list[list[str]]:
    """The names of the parameters of each layer, from the input to the features.

    A layer is a member of a list of modules that have parts of their own, as encoder layers and residual blocks are.
    Outside of such lists it is a module with a matrix or a kernel, and the normalisation that follows it.
    """
    found: list[list[str]] = []
    _collect(network, "", not _has_list(network), found)
    return found


def _collect(module: nn.Module, prefix: str, plain: bool, found: list[list[str]]) -> None:
    """Add the layers of a module; `plain` says that the network is one without lists."""
    parameters = dict(module.named_parameters(prefix=prefix))
    children = list(module.named_children())
    if children and (plain or isinstance(module, LISTS) or _has_list(module)):
        if own := [name for name, _ in module.named_parameters(prefix=prefix, recurse=False)]:
            found.append(own)
        for name, child in children:
            _collect(child, f"{prefix}.{name}" if prefix else name, plain, found)
    elif found and all(parameter.ndim < 2 for parameter in parameters.values()):
        found[-1] += parameters
    elif parameters:
        found.append(list(parameters))


def _has_list(network: nn.Module) -> bool:
    """Whether there is a list in it of several modules that have parts and parameters."""
    lists = (each.children() for each in network.modules() if isinstance(each, LISTS))
    return any(sum(_has(part.children()) and _has(part.parameters()) for part in each) > 1 for each in lists)


def _has(some: Iterator[object]) -> bool:
    return next(some, None) is not None


def tuned_names(network: nn.Module, scope: str, backbone: str) -> list[str]:
    """The names of the parameters that a task changes in a scope.

    Args:
        network: for `lora`, with its adapters.
        scope: `all`; `last`, the last of its layers; `bitfit`, all biases (Ben Zaken et al. 2022); or `lora`.
        backbone: its name, for the message.

    Raises:
        UsageError: there are none.
    """
    names = [name for name, _ in network.named_parameters()]
    if scope == "last":
        return layers_of(network)[-1]
    if scope == "lora":
        return [name for name in names if LORA in name]
    if scope == "all":
        return names
    biases = [name for name in names if name.endswith("bias")]
    if not biases:
        raise UsageError(f"scope=bitfit tunes biases, and backbone '{backbone}' has none; choose another scope")
    return biases


def with_lora(network: nn.Module, rank: int, backbone: str) -> nn.Module:
    """The same network with adapters of low rank beside its attention's queries and values (Hu et al. 2022).

    A copy that shares all weights, by peft. The adapters change nothing yet: one of their two factors is 0, and the
    other is the same in each copy.

    Args:
        network: stays as it is.
        rank: of an adapter; the factor of its output is 1.
        backbone: its name, for the message.

    Raises:
        DataError: peft is not installed.
        UsageError: the network has no such projections.
    """
    peft = need("peft", "lora", "scope=lora")
    targets = [
        name
        for name, module in network.named_modules()
        if name.rpartition(".")[2] in PROJECTIONS and isinstance(module, nn.Linear)
    ]
    if not targets:
        raise UsageError(
            f"scope=lora adapts the attention of a transformer, and backbone '{backbone}' has none that it knows; "
            "choose a backbone such as minilm, or another scope"
        )
    # peft freezes the parameters that it finds: here others, of the same storage.
    adapted = copy.deepcopy(network, {id(each): nn.Parameter(each.detach()) for each in network.parameters()})
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        peft.inject_adapter_in_model(peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=targets), adapted)
    return adapted.train(network.training)


def layer_groups(network: nn.Module, tuned: Mapping[str, Tensor], rate: float, decay: float) -> list[dict[str, Any]]:
    """Parameters for an optimiser with the rate of their layer: `rate * decay` in the last one, `decay` less each back.

    Args:
        network: that they are of.
        tuned: by name.
        rate: of the head.
        decay: above 0, up to 1.
    """
    if decay == 1:
        return [{"params": list(tuned.values())}]
    layers = ([tuned[name] for name in layer if name in tuned] for layer in reversed(layers_of(network)))
    return [{"params": layer, "lr": rate * decay**depth} for depth, layer in enumerate(layers, 1) if layer]


def support_batches(items: int, size: int | None, steps: int) -> Iterator[Tensor]:
    """Which rows of the support each step takes: all, or each of them once before any comes again."""
    if size is None or size >= items:
        yield from [torch.arange(items)] * steps
        return
    random = torch.Generator().manual_seed(0)
    order = torch.empty(0, dtype=torch.int64)
    for _ in range(steps):
        if len(order) < size:
            order = torch.cat([order, torch.randperm(items, generator=random)])
        yield order[:size]
        order = order[size:]


class Stopping:
    """Ends the tuning of each of T tasks at a step of its own: what the others' later steps do to it is undone.

    Args:
        optimizer: of parameters `[T, ...]`.
        tasks: T.
        bound: a task ends before the first step that begins with a loss under it.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, tasks: int, bound: float) -> None:
        self.bound = bound
        self.parameters: list[Tensor] = [each for group in optimizer.param_groups for each in group["params"]]
        self.ended = self.parameters[0].new_zeros(tasks, dtype=torch.bool)
        self.final = [torch.empty_like(each) for each in self.parameters]

    def all_ended(self, losses: Tensor) -> bool:
        """Whether no task takes the step that begins with these losses `[T]`."""
        ending = (losses.detach() < self.bound) & ~self.ended
        if ending.any():
            for final, parameter in zip(self.final, self.parameters, strict=True):
                final[ending] = parameter.detach()[ending]
            self.ended |= ending
        return bool(self.ended.all())

    @torch.no_grad()
    def put_back(self) -> None:
        """Give each task that ended what it had then."""
        for final, parameter in zip(self.final, self.parameters, strict=True):
            parameter[self.ended] = final[self.ended]


def crop_and_flip(images: Tensor, copies: int, random: torch.Generator) -> Tensor:
    """`copies` of images `[..., n, C, H, W]` in a row, `[..., copies * n, C, H, W]`, each moved and perhaps mirrored.

    A copy is moved by up to an eighth of its sides, the pixels at its edges repeated, and mirrored left to right half
    of the time: all images of one copy alike, so that their order does not matter.
    """
    height, width = images.shape[-2:]
    down, right = height // SHIFT, width // SHIFT
    padded = F.pad(images.flatten(0, -4), (right, right, down, down), mode="replicate")
    made = []
    for _ in range(copies):
        top, left = (int(torch.randint(2 * most + 1, (), generator=random)) for most in (down, right))
        moved = padded[:, :, top : top + height, left : left + width]
        moved = moved.flip(3) if torch.rand((), generator=random) < 0.5 else moved
        made.append(moved.reshape(images.shape))
    return torch.cat(made, dim=-4)
