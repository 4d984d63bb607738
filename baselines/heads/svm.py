"""The multi-class support vector machine of Crammer and Singer as a classifier that gradients go through."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NEWTON_STEPS = 25  # each takes about a factor of 10 off the duality gap, down to rounding
CENTRING = 0.1  # the part of the gap that a step aims at
LEAST_GAP = 1e-10  # of a bound times its price, over the cost; under that rounding has its way
TO_THE_BOUND = 0.99  # of the way to the nearest bound that a step may go


def svm_head(support: Tensor, labels: Tensor, ways: int, cost: float) -> Tensor:
    """Weights `[B, D, N]` of B support vector machines without an intercept, one for each task, in one call.

    Minimises `|W|^2 / 2 + cost * sum of slacks`, an item's slack being how far the score of another class comes within
    1 of that of its own (Crammer and Singer 2001), in its dual form.

    Args:
        support: features `[B, S, D]`.
        labels: `[B, S]`.
        ways: N, at least 2.
        cost: of a slack of 1, above 0.
    """
    wide = support.double()  # near the solution its systems have condition numbers that float32 has no digits for
    dual = svm_dual(wide @ wide.transpose(1, 2), F.one_hot(labels, ways).double(), cost)
    return (wide.transpose(1, 2) @ dual).to(support.dtype)


def svm_dual(gram: Tensor, targets: Tensor, cost: float) -> Tensor:
    """The dual solution `[B, S, N]`: `min <a, G a> / 2 - <Y, a>` with `a <= cost * Y` and rows of a that sum to 0.

    A primal-dual interior point method. One more Newton step from its solution, whose value is about 0, carries the
    gradient to G: by the implicit function theorem it is that of the solution.

    Args:
        gram: G, products of the items' features, `[B, S, S]` float64.
        targets: Y, one-hot labels, `[B, S, N]` float64.
        cost: above 0.
    """
    with torch.no_grad():
        # The middle of the bounds, where every row sums to 0.
        dual = cost / 2 * (targets - (1 - targets) / (targets.shape[2] - 1))
        slack, price, level = cost * targets - dual, torch.ones_like(targets), torch.zeros_like(targets[..., :1])
        for _ in range(NEWTON_STEPS):
            aim = (CENTRING * (slack * price).mean((1, 2), keepdim=True)).clamp(min=LEAST_GAP * cost)
            residual = targets - gram @ dual - level - aim / slack
            step, rise = _newton_step(gram, price / slack, residual)
            change = (aim + price * step) / slack - price
            dual = dual + _length(slack, -step) * step
            price, level = price + _length(price, change) * change, level + rise
            slack = cost * targets - dual
    return dual + _newton_step(gram.detach(), price / slack, targets - gram @ dual - level - price)[0]


def _newton_step(gram: Tensor, diagonal: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
    """The changes of the dual, `[B, S, N]`, and of its rows' multipliers, `[B, S, 1]`, that Newton's method asks for.

    Each class has a system of its own, with the matrix G and its own diagonal; that rows keep their sum of 0 couples
    them by one more system of the size of the support.
    """
    factors = torch.linalg.cholesky(gram[:, None] + torch.diag_embed(diagonal.transpose(1, 2)))
    free = torch.cholesky_solve(residual.transpose(1, 2)[..., None], factors)
    shared = torch.linalg.cholesky(torch.cholesky_inverse(factors).sum(1))
    rise = torch.cholesky_solve(free.sum(1), shared)
    step = free - torch.cholesky_solve(rise[:, None].expand_as(free), factors)
    return step.squeeze(3).transpose(1, 2), rise


def _length(values: Tensor, change: Tensor) -> Tensor:
    """How much of a change each task may take, `[B, 1, 1]`, for its values to stay above 0."""
    most = torch.where(change < 0, -values / change, torch.inf).amin((1, 2), keepdim=True)
    return (TO_THE_BOUND * most).clamp(max=1)
