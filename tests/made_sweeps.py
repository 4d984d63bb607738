"""Studies of small runs, and what is true of the runs that they made."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from metabench.records.record import RunRecord
from metabench.sweep.cells import Cell, resolve
from metabench.sweep.engine import Engine, Limits
from metabench.sweep.local import run_cells
from metabench.sweep.store import Known, Store
from metabench.sweep.study import points
from metabench.sweep.sweep import Made, sweep

QUICK: dict[str, Any] = {
    "ways": "3",
    "queries": "3",
    "episodes": "4",
    "validation_episodes": "2",
    "device": "cpu",
    "options": {"backbone": "conv4:4", "steps": "10"},
}


def cells_of(**changes: Any) -> list[Cell]:
    return resolve(points({**QUICK, "output": "runs", **changes}), threads=1)[0]


def made(cells: list[Cell], engine: Engine = run_cells, **limits: Any) -> Made:
    return sweep("study", cells, Store(Path("runs")), Limits(**limits), engine)


def records() -> dict[str, Path]:
    """Every run's folder by its digest, of which there must be one each."""
    found = [path.parent for path in Path("runs").rglob("record.json")]
    known = Store(Path("runs")).done()
    assert len(found) == len(known)
    return {digest: folder for folder in found for digest in [digest_of(folder)]}


def digest_of(folder: Path) -> str:
    return Known.of(RunRecord.model_validate_json((folder / "record.json").read_text())).digest


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.05)


def same_runs(folder: Path, alone: Path) -> None:
    """All of two runs but times and places."""
    ours, theirs = (RunRecord.model_validate_json((each / "record.json").read_text()) for each in (folder, alone))
    assert ours.config == theirs.config
    costs = {"task_milliseconds", "task_megabytes"}
    assert ours.score.model_dump(exclude=costs) == theirs.score.model_dump(exclude=costs)
    assert ours.predictions == theirs.predictions
    assert ours.training.curve == theirs.training.curve
    assert ours.training.best == theirs.training.best
    assert ours.training.images == theirs.training.images
    assert ours.training.multiply_adds == theirs.training.multiply_adds
    assert (folder / "scores.csv").read_bytes() == (alone / "scores.csv").read_bytes()
    weights = [torch.load(each / "learner.pt", weights_only=True)["learner"] for each in (folder, alone)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
