"""Logistic regression as a classifier, fitted to many tasks at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

# Length of the gradient against that of what the probabilities are off by. The second is longer, to find no work left.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1.5e-5}
MOST_STEPS = {torch.float32: 30, torch.float64: 1000}
PAIRS = 3  # steps that L-BFGS remembers; more of them save none here
UPHILL = 0.9  # of the slope at a step's start: how steep it may be at its end, past the lowest point
MOST_CUTS = 30  # of one step
JITTER = 1e-10  # of a kernel's greatest eigenvalue, without which rounding may leave it no root
ABSENT = -1e4  # logit of a class without support
AT_ONCE = {"cpu": 1 << 15, "cuda": 1 << 22}  # logits of supports fitted together, which a processor's cache holds


def logistic_head(support: Tensor, labels: Tensor, ways: int, penalty: float) -> tuple[Tensor, Tensor]:
    """Multinomial logistic regression for B tasks in one call.

    Minimises the mean cross-entropy over the support plus `penalty / 2 * |W|^2`, b unpenalised, by L-BFGS (Liu and
    Nocedal 1989), each task until it has converged: in float32, then in float64 from there. With two ways the penalty
    is on the square of the difference of their weights, as scikit-learn has it, which is twice `|W|^2`.

    Args:
        support: features `[B, S, D]`.
        labels: `[B, S]`; a class that has none gets the logit -10,000 and weights of 0.
        ways: N.
        penalty: above 0.

    Returns:
        W `[B, D, N]` and b `[B, 1, N]`.
    """
    members = F.one_hot(labels, ways).transpose(1, 2)
    at_once = max(1, AT_ONCE.get(support.device.type, AT_ONCE["cpu"]) // members[0].numel())
    penalty = 2 * penalty if ways == 2 else penalty
    parts = zip(torch.split(support.detach(), at_once), torch.split(members, at_once), strict=True)
    fitted = _by_items if support.shape[1] <= support.shape[2] else _by_features
    weights, biases = zip(*(fitted(*part, penalty) for part in parts), strict=True)
    bias = torch.cat(biases).to(support.dtype).masked_fill(~members.any(2, keepdim=True), ABSENT)
    return torch.cat(weights).transpose(1, 2), bias.transpose(1, 2)


def _by_items(support: Tensor, members: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """W `[B, N, D]` and b `[B, N, 1]` of at most as many items as features, of which W is then a combination."""
    ways, scale = members.shape[1], members[0].numel()
    wide = support.double()
    products = wide @ wide.transpose(1, 2)
    mean = products.mean(2, keepdim=True)
    centred = products - mean - mean.transpose(1, 2) + mean.mean(1, keepdim=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(_curvature(centred, scale, penalty)))
    kernel = ways - penalty * scale * inverse  # that of the items in whitened coordinates
    kernel.diagonal(dim1=1, dim2=2).add_(scale * (1 + JITTER))
    root = torch.linalg.cholesky(kernel)
    point = _lowest(root.transpose(1, 2), members)
    parts = torch.linalg.solve_triangular(root, point, upper=False, left=False)
    bias = ways * parts.sum(2, keepdim=True)
    parts = parts @ inverse
    parts -= parts.mean(2, keepdim=True)
    return parts.to(support.dtype) @ support, bias - parts @ mean


def _by_features(support: Tensor, members: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """The same of more items than features."""
    ways, scale = members.shape[1], members[0].numel()
    wide = support.double()
    mean = wide.mean(1, keepdim=True)
    centred = (wide - mean).transpose(1, 2)
    root = torch.linalg.cholesky(_curvature(centred @ centred.transpose(1, 2), scale, penalty))
    whitened = torch.linalg.solve_triangular(root, centred, upper=False)
    intercept = torch.full_like(whitened[:, :1], ways**0.5)
    point = _lowest(torch.cat([whitened, intercept], 1), members)
    weight = torch.linalg.solve_triangular(root, point[..., :-1], upper=False, left=False)
    return weight.to(support.dtype), ways**0.5 * point[..., -1:] - weight @ mean.transpose(1, 2)


def _curvature(products: Tensor, scale: int, penalty: float) -> Tensor:
    """The Hessian at W = 0, where all classes are as probable, of centred items: the same for each class."""
    curvature = products / scale
    curvature.diagonal(dim1=1, dim2=2).add_(penalty)
    return curvature


def _lowest(items: Tensor, members: Tensor) -> Tensor:
    """The point `[B, N, r]` of the lowest loss, from the whitened coordinates `[B, r, S]` of the items."""
    point = items.new_zeros(*members.shape[:2], items.shape[1])
    live = torch.ones_like(members[:, :1, 0], dtype=torch.bool)
    for digits in (torch.float32, torch.float64):
        point, live = _descended(point.to(digits), live, items.to(digits), members.to(digits).contiguous())
    return point


class _Pair(NamedTuple):
    """A step and the change of the gradient along it, `[B, n]`, and their weights, `[B, 1]`."""

    step: Tensor
    change: Tensor
    weight: Tensor
    scale: Tensor


def _descended(start: Tensor, live: Tensor, items: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
    """The lowest point with the digits at hand, and which tasks have not come there, `[B, 1]`.

    A task that has converged stands still, whatever the others still need. A step is cut until it does not end steeply
    uphill, which takes no more than gradients: of the loss float32 has too few digits near the end.
    """
    shape, count = start.shape, items.shape[2]
    transposed = items.transpose(1, 2)
    present = members.amax(2, keepdim=True)
    absent, shares = torch.where(present > 0, 0.0, -torch.inf).to(start), present / present.sum(1, keepdim=True)

    def gradient(point: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        off = torch.softmax(logits + absent, dim=1).sub_(members)
        # The penalty is half of |point|^2, less what the cross-entropy's curvature has of it at 0.
        excess = torch.sub(off, logits, alpha=1 / shape[1])
        slope = torch.baddbmm(point.view(shape), excess, transposed, alpha=1 / count)
        # It has no part that all classes share, in which nothing would hold rounding back.
        slope, off = (slope - shares * slope.sum(1, keepdim=True)).flatten(1), off.flatten(1)
        return slope, _dot(slope, slope) > TOLERANCE[start.dtype] ** 2 / count * _dot(off, off)

    point, logits = start.flatten(1), start @ items
    slope, far = gradient(point, logits)
    live = live | far
    pairs: list[_Pair] = []
    for _ in range(MOST_STEPS[start.dtype]):
        step = _direction(slope, pairs)
        before = _dot(slope, step)
        live = live & far & (before < 0)  # if it is not, the digits have ended
        if not bool(live.any()):
            break
        step = step * live
        change = step.view(shape) @ items
        before = before * live
        for _ in range(MOST_CUTS):
            ahead = point + step, logits + change
            uphill, far = gradient(*ahead)
            after = _dot(uphill, step)
            steep = after > -UPHILL * before
            if not bool(steep.any()):
                break
            cut = torch.where(steep, before / (before - after), 1.0)  # to where it is level if it rises evenly
            step, change, before = cut * step, cut[..., None] * change, cut * before
        pairs = [*pairs, _pair(step, uphill - slope)][-PAIRS:]
        (point, logits), slope = ahead, uphill
    return point.view(shape), live


def _pair(step: Tensor, change: Tensor) -> _Pair:
    rise, square = _dot(change, step), _dot(change, change)
    kept = (rise > 0) & (square > 0)  # else the task stood still
    # No curvature is much above that at W = 0, so that no step should be shorter.
    return _Pair(step, change, torch.where(kept, 1 / rise, 0.0), torch.where(kept, rise / square, 1.0).clamp(min=1))


def _direction(slope: Tensor, pairs: list[_Pair]) -> Tensor:
    """Minus the gradient, times the inverse Hessian as the pairs tell it (the two loops of L-BFGS)."""
    step, parts = -slope, []
    for pair in reversed(pairs):
        parts.append(pair.weight * _dot(pair.step, step))
        step.addcmul_(parts[-1], pair.change, value=-1)
    if pairs:
        step *= pairs[-1].scale
    for pair, part in zip(pairs, reversed(parts), strict=True):
        step.addcmul_(part - pair.weight * _dot(pair.change, step), pair.step)
    return step


def _dot(first: Tensor, second: Tensor) -> Tensor:
    return (first * second).sum(1, keepdim=True)
