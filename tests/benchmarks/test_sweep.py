"""What a sweep takes for each run beside the run itself: by Ray, beside the pool of one machine."""

import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from pytest_benchmark.fixture import BenchmarkFixture

from metabench.config import make_config
from metabench.sweep.cells import Cell
from metabench.sweep.cluster import connected
from metabench.sweep.engine import Engine, Limits
from metabench.sweep.local import run_cells
from metabench.sweep.store import Store

CELLS = 60


def trivial(number: int) -> list[Cell]:
    """Cells whose runs are refused as soon as they begin: all of the way of a run, and next to nothing of a run."""
    config = make_config(learner="no_such_learner", threads=1, device="cpu")
    return [Cell(f"{each:032x}", f"cell {each}", config, 0, 2, "none") for each in range(number)]


def seconds_each(engine: Engine, results: Path, cells: int = CELLS) -> float:
    """Of a run at a time, the median between the ends of two: without the start of the engine, and without outliers."""
    events = engine(trivial(cells), Store(results), Limits(retries=0))
    ends = [time.perf_counter() for event in events if event.kind == "failed"]
    assert len(ends) == cells
    return median(after - before for before, after in pairwise(ends))


def test_ray_beside_the_pool(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    pool: list[float] = []
    ours: list[float] = []
    with connected(None) as cluster:

        def both() -> None:
            pool.append(seconds_each(run_cells, tmp_path / f"pool-{len(pool)}"))
            ours.append(seconds_each(cluster, tmp_path / f"ray-{len(ours)}"))

        benchmark.pedantic(both, rounds=3)
    benchmark.extra_info.update(ray_seconds=min(ours), pool_seconds=min(pool))
    assert min(ours) - min(pool) < 0.05
