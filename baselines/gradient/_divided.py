"""The loss of a meta-batch, whose tasks the ranks of a run divide among themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from baselines.gradient._inner_loop import Solved, known, some
from baselines.stacked.stack import Weights, slices
from episodes.episode import LabelledEpisodeBatch
from metabench import ranks
from metabench.errors import RunError

Start = Callable[[LabelledEpisodeBatch], Weights]
Solve = Callable[[Weights, LabelledEpisodeBatch], Solved]


def divisible(network: nn.Module) -> bool:
    """Whether each task of a batch is by itself in training: no state from task to task, and no random numbers."""
    return not any(map(_is_of_the_batch, network.modules()))


def losses(
    episodes: LabelledEpisodeBatch, start: Start, rates: Sequence[Tensor], solve: Solve, divide: bool
) -> Iterator[Tensor]:
    """The loss of a meta-batch, in parts: a block of tasks, as many as take their inner steps together, after another.

    With `divide`, ranks solve some of the tasks each, and every one gets all gradients. They are the same to the bit
    as one process's, since they are added in its order. Adam makes steps of noise where a gradient is 0 but for
    rounding, as of a bias before batch normalisation: other rounding would soon be other training.

    Args:
        episodes: the meta-batch.
        start: gives the initial weights of a block's tasks, differentiable in the learner's parameters.
        rates: what else the loss is differentiated by, the same for all tasks.
        solve: gives each task's loss, and its gradients by the initial weights and by the rates.
        divide: whether the ranks may divide the tasks; see `divisible`.
    """
    found = _solved_by_ranks(episodes, start, solve) if divide and ranks.count() > 1 else None
    for part in slices(episodes.support):
        block = some(episodes, part)
        weights = start(block)
        values, gradients = (found[0][part], [each[part] for each in found[1]]) if found else solve(weights, block)
        yield known(values.sum(), gradients, [*weights.values(), *rates])


class _Piece(NamedTuple):
    """Tasks of a block that are solved together.

    Attributes:
        block: of the meta-batch.
        part: of the block.
        repeated: how many of its first tasks the piece before has, too.
    """

    block: slice
    part: slice
    repeated: int


def _pieces(block: slice, most: int) -> Iterator[_Piece]:
    """At most so many pieces of one size: at least two tasks, since one alone takes kernels that round differently."""
    tasks = block.stop - block.start
    size = max(-(-tasks // most), min(2, tasks))
    for new in range(0, tasks, size):
        first = min(new, tasks - size)
        yield _Piece(block, slice(first, first + size), new - first)


def _solved_by_ranks(episodes: LabelledEpisodeBatch, start: Start, solve: Solve) -> Solved:
    """Of all tasks, on every rank."""
    blocks = list(slices(episodes.support))
    pieces = [piece for block in blocks for piece in _pieces(block, -(-ranks.count() // len(blocks)))]
    own = ranks.share(pieces)
    random_state, table = torch.get_rng_state(), None
    for piece in own or pieces[:1]:  # a rank that has none finds the shapes
        block = some(episodes, piece.block)
        with torch.no_grad():
            weights = {name: value[piece.part] for name, value in start(block).items()}
        values, gradients = solve(weights, some(block, piece.part))
        rows = torch.cat([values[:, None], *(each.flatten(1) for each in gradients)], 1)
        table = rows.new_zeros(len(episodes), rows.shape[1]) if table is None else table
        if own:
            first, last = (piece.block.start + place for place in (piece.part.start, piece.part.stop))
            table[first + piece.repeated : last] = rows[piece.repeated :]
    assert table is not None
    if not torch.equal(random_state, torch.get_rng_state()):
        raise RunError("training draws random numbers for each task, which ranks would not draw alike; use one process")
    ranks.add_up(table)  # to zeros, which is exact
    parts = torch.split(table[:, 1:], [each[0].numel() for each in gradients], 1)
    return table[:, 0], [each.reshape(-1, *like.shape[1:]) for each, like in zip(parts, gradients, strict=True)]


def _is_of_the_batch(module: nn.Module) -> bool:
    dropout = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
    return dropout or isinstance(module, nn.modules.batchnorm._BatchNorm)
