"""Queries shared among classes by optimal transport with an entropy penalty (Cuturi 2013)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

TOLERANCE = 1e-4  # of a class's mass, as a part of it


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
