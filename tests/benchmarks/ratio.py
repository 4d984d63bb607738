"""How two ways to do the same work compare."""

import time
from collections.abc import Callable
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

SECONDS = 4.0  # for one comparison, if that is not less than `least` rounds or more than 500


def ratio_of_best(
    benchmark: BenchmarkFixture,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    more_work: int = 1,
    least: int = 20,
    floor: Callable[[], Any] | None = None,
) -> float:
    """How many times as long theirs takes for as much work as ours, which does `more_work` times as much a call.

    Work of many seconds may be timed fewer times, `least`. How many times as long ours takes as what it cannot do
    without, `floor`, is kept beside the times.

    Each is timed in turn, so that a busy machine slows both, and short ones more often, as a moment's noise is more of
    their time.
    """
    their_times: list[float] = []
    our_times: list[float] = []
    floor_times: list[float] = []

    def timed(times: list[float], work: Callable[[], Any]) -> Callable[[], None]:
        def run() -> None:
            started = time.perf_counter()
            work()
            times.append(time.perf_counter() - started)

        return run

    timed(their_times, theirs)()
    timed(our_times, ours)()

    def others() -> None:
        timed(their_times, theirs)()
        if floor:
            timed(floor_times, floor)()

    rounds = round(min(max(SECONDS / (their_times[0] + our_times[0]), least), 500))
    benchmark.pedantic(timed(our_times, ours), setup=others, rounds=rounds)
    ratio = more_work * min(their_times[1:]) / min(our_times[1:])
    benchmark.extra_info.update(their_seconds=min(their_times[1:]), times_as_fast=round(ratio, 2))
    if floor_times:
        benchmark.extra_info["times_the_floor"] = round(min(our_times[1:]) / min(floor_times), 2)
    return ratio
