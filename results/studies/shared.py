"""What the studies share: a training that is timed, and tables that grow row by row."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank
from metabench.learner import Learner
from metabench.training.loop import train
from metabench.training.plan import TrainingPlan


def spent(learner: Learner, data: Dataset[ImageBank], task: FixedTask, seed: int) -> float:
    """Train it, validated on such tasks; the processor seconds that this took."""
    validation = EpisodeSampler(data.validation, task, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        plan = TrainingPlan(seed, "float32", validation, 100, Path(folder) / "checkpoint", {})
        started = time.process_time()
        train(learner, data, plan)
        return time.process_time() - started


def add_row(table: Path, row: Mapping[str, object]) -> None:
    """To a CSV file, which begins with the names of its columns."""
    pd.DataFrame([row]).to_csv(table, mode="a", header=not table.exists(), index=False)
