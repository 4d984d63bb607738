"""Optimal transport with an entropy penalty, by Sinkhorn's algorithm (Cuturi 2013)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TOLERANCE = 1e-4  # of a class's mass, as a part of it
ENTROPY = 0.05  # exp(-2 / 0.05) is well within float32
STEPS = 50
MOST_VALUES = 2**18  # of costs at one time: 1 MB, which stay in the cache of a processor


def log_transport(cost: Tensor, sharpness: float, most_steps: int = 100) -> Tensor:
    """Logarithms of the plan `[B, Q, N]` that moves Q queries to N classes at the least cost, evenly.

    Each query has mass 1 and each class gets Q / N of it. Minimises `sum(P * cost) + sum(P * log P) / sharpness` by
    Sinkhorn's algorithm: rows and columns are scaled in turn to their masses, in logarithms, so that nothing
    underflows. It ends with the rows, whose sums are therefore 1, and stops at `most_steps` or when all columns are
    right.

    Args:
        cost: `[B, Q, N]`, finite.
        sharpness: above 0; the higher, the closer to the plan without a penalty.
        most_steps: at least 1.
    """
    mass = math.log(cost.shape[1] / cost.shape[2])
    plan = torch.log_softmax(-sharpness * cost, dim=2)
    done = torch.zeros(len(cost), 1, 1, dtype=torch.bool, device=cost.device)
    for _ in range(most_steps):
        excess = torch.logsumexp(plan, dim=1, keepdim=True) - mass
        # Each task stops by itself: its plan must not depend on the other tasks.
        done |= excess.abs().amax(2, keepdim=True) < TOLERANCE
        if bool(done.all()):
            break
        plan = plan.where(done, torch.log_softmax(plan - excess, dim=2))
    return plan


def transport_cost(
    costs: Tensor, supply: Tensor, demand: Tensor, entropy: float = ENTROPY, steps: int = STEPS
) -> Tensor:
    """Costs `[n]` of the best flows of n problems, which Sinkhorn's algorithm approximates (Cuturi 2013).

    The gradient is that of a linear programme's optimum: to the costs it is the flow, and to supply and demand the
    dual potentials (which have a constant that is free, and of which nothing is left where both are normalised).

    Args:
        costs: `[n, I, J]`, of 0 to 2 each with the default entropy.
        supply: `[n, I]`, above 0, each row of sum 1.
        demand: `[n, J]`, likewise.
        entropy: its weight; the smaller, the closer to the best flow, and the more steps it takes.
        steps: of the algorithm.
    """
    at_once = max(1, MOST_VALUES // costs[0].numel())
    parts = zip(*(torch.split(each, at_once) for each in (costs, supply, demand)), strict=True)
    solved = [sinkhorn(cost, given, wanted, entropy, steps) for cost, given, wanted in parts]
    flow, of_supply, of_demand = (torch.cat(each) for each in zip(*solved, strict=True))
    # The second and the third term are 0, and have the gradients.
    return (
        (flow * costs).sum((1, 2))
        + (of_supply * (supply - supply.detach())).sum(1)
        + (of_demand * (demand - demand.detach())).sum(1)
    )


@torch.no_grad()
def sinkhorn(
    costs: Tensor, supply: Tensor, demand: Tensor, entropy: float, steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The flow `[n, I, J]` of least cost minus entropy, and its dual potentials `[n, I]` and `[n, J]`."""
    kernel = torch.exp(-costs / entropy)
    transposed = kernel.transpose(1, 2)
    rows, columns = torch.ones_like(supply), torch.ones_like(demand)
    for _ in range(steps):
        rows = supply / torch.bmm(kernel, columns[..., None]).squeeze(2)
        columns = demand / torch.bmm(transposed, rows[..., None]).squeeze(2)
    return rows[..., None] * kernel * columns[:, None], entropy * rows.log(), entropy * columns.log()
