"""How long a cell will take, told from finished runs that are most like it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from metabench.sweep.cells import Cell
from metabench.sweep.store import Known

OVERHEAD = 5.0  # seconds of a run beside training and test: reading data, checking the contract, drawing


def estimate(cell: Cell, known: Iterable[Known]) -> float | None:
    """Seconds, the median over the runs of the same learner that share most with the cell; None without any.

    Training time is in proportion to steps, test time to tasks, and both to pixels. A shared stage counts for each of
    its cells.
    """
    config = cell.config
    alike: dict[int, list[float]] = {}
    for run in known:
        if run.learner != config.learner:
            continue
        shared = 8 * (run.dataset == config.recorded.data.dataset) + 4 * (run.backbone == cell.backbone)
        shared += 2 * (run.pixels == cell.pixels) + (run.shots == config.task.shots and run.ways == config.task.ways)
        training = run.training_seconds * (cell.steps / run.steps if run.steps else 1)
        test = run.evaluation_seconds * (cell.episodes / run.episodes if run.episodes else 1)
        alike.setdefault(shared, []).append(OVERHEAD + (training + test) * cell.pixels / run.pixels)
    return median(alike[max(alike)]) if alike else None


def total(seconds: Mapping[str, float | None], workers: int) -> float | None:
    """Of several cells at so many at once, those without an estimate as the mean of the others; None without any."""
    told = [each for each in seconds.values() if each is not None]
    if not told:
        return None
    mean = sum(told) / len(told)
    everything = sum(mean if each is None else each for each in seconds.values())
    return max(everything / workers, max(told))
