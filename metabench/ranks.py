"""The processes of one run under torchrun, its ranks: what each does, and how they agree. One process is all by itself.

Every rank goes the same way and meets the others in the functions below; each must be called by all of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from itertools import count as counted
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from metabench.errors import InterruptionError, LostRankError, OtherRankError, first_line

T = TypeVar("T")
Items = TypeVar("Items", bound=Sequence[Any])

PATIENCE = timedelta(days=1)  # with a rank that is still at work; one that has ended is noticed at once
_RUNS = counted()
_ALONE = ContextVar("alone", default=False)


def launched() -> tuple[int, int]:
    """This process's rank and how many there are, as torchrun has them in the environment; without it 0 and 1."""
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


@contextmanager
def joined() -> Iterator[None]:
    """Within it the processes that torchrun has started are one run; at the end they wait for each other.

    All but the first are silent. Where one fails all end: the first to fail raises its error, the others an
    OtherRankError. An interruption is the first rank's to tell.
    """
    rank, ranks = launched()
    if ranks == 1 or _joined() > 1:
        yield
        return
    store: Any = dist.PrefixStore(f"metabench {next(_RUNS)}", _store())  # type: ignore[attr-defined]
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    dist.init_process_group(backend, store=store, rank=rank, world_size=ranks, timeout=PATIENCE)
    try:
        with ExitStack() as stack:
            if local() < torch.cuda.device_count():
                stack.enter_context(torch.cuda.device(local()))
            if rank:
                nowhere = stack.enter_context(Path(os.devnull).open("w"))
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            yield
            gathered(None)
    except BaseException as error:
        if (rank and isinstance(error, KeyboardInterrupt | InterruptionError)) or not _first_to_fail(store):
            raise OtherRankError("another rank has failed, which says why") from None
        raise
    finally:
        dist.destroy_process_group()


@cache
def _store() -> Any:
    """By which ranks find each other; one for the process, since its port is taken once."""
    return next(iter(rendezvous("env://", timeout=PATIENCE)))[0]


def _first_to_fail(store: Any) -> bool:
    try:
        return bool(store.add("failed", 1) == 1)
    except RuntimeError:  # the process that has the store is gone
        return False


def count() -> int:
    """How many ranks share the work; 1 within `alone`."""
    return 1 if _ALONE.get() else _joined()


@contextmanager
def alone() -> Iterator[None]:
    """Within it this rank does all work by itself and meets no other."""
    before = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(before)


def first() -> bool:
    """Whether this is the rank that writes and prints."""
    return _joined() == 1 or dist.get_rank() == 0


def local() -> int:
    """This rank's number among those on its machine, which is that of its GPU; 0 by itself."""
    return int(os.environ.get("LOCAL_RANK", dist.get_rank())) if _joined() > 1 else 0


def _joined() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def share(items: Items, block: int = 1) -> Items:
    """This rank's part of a sequence, in whole blocks of neighbours, the same on all ranks but for the last block.

    The parts of all ranks in their order are the sequence. A part may be empty.
    """
    rank, ranks = (dist.get_rank(), count()) if count() > 1 else (0, 1)
    blocks = -(-len(items) // block)
    part: Items = items[blocks * rank // ranks * block : blocks * (rank + 1) // ranks * block]  # type: ignore[assignment]
    return part


def gathered(value: T) -> list[T]:
    """What each rank has given, in their order. It is pickled: tensors should be in main memory."""
    if count() == 1:
        return [value]
    found: list[Any] = [None] * count()
    with _together():
        dist.all_gather_object(found, value)
    return found


def of_first(make: Callable[[], T]) -> T:
    """What `make` gives on the first rank, which alone calls it. It is pickled: tensors should be in main memory."""
    if count() == 1:
        return make()
    found: list[Any] = [make() if first() else None]
    with _together():
        dist.broadcast_object_list(found, 0)
    made: T = found[0]
    return made


def total(value: float) -> float:
    """The sum over ranks."""
    if count() == 1:
        return value
    number = torch.tensor(value, dtype=torch.float64)
    add_up(number)
    return number.item()


def add_up(values: Tensor) -> None:
    """Let values of one shape on every rank be their sum over ranks, in place and on their device."""
    if count() > 1:
        with _together():
            dist.all_reduce(values)


def same_state(module: nn.Module) -> None:
    """Give every rank the first one's parameters and buffers, should rounding on their devices have differed."""
    if count() == 1:
        return
    for value in module.state_dict().values():
        if isinstance(value, Tensor) and value.numel():
            sent = value.contiguous()
            with _together():
                dist.broadcast(sent.view(-1).view(torch.uint8), 0)
            value.copy_(sent)


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise LostRankError(f"another rank has ended ({first_line(error)})") from None
