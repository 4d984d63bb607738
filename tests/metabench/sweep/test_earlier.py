"""A study finds the runs that an earlier version made, whose learners had other options."""

import json
from pathlib import Path
from typing import Any

import pytest

from metabench.experiment.runner import run_config
from metabench.sweep.cells import Cell
from metabench.sweep.store import Store
from tests.made_sweeps import cells_of


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a run of a study, whose head is in closed form: nothing is tuned."""
    (cell,) = cells_of(learner=[{"finetune": {"ridge": 0.5}}])
    folder = tmp_path_factory.mktemp("made")
    record = run_config(cell.config.changed(output=folder))
    return folder / record.id / "record.json"


def found(record: Path, folder: Path, removed: str = "", **options: Any) -> list[Cell]:
    """The study's run, where the record has other options."""
    content = json.loads(record.read_text())
    content["config"]["options"] |= options
    if removed:
        del content["config"]["options"][removed]
    (folder / "runs").mkdir()
    (folder / "runs" / "record.json").write_text(json.dumps(content))
    (folder / "runs" / "scores.csv").write_bytes((record.parent / "scores.csv").read_bytes())
    cells = cells_of(learner=[{"finetune": {"ridge": 0.5}}], output=str(folder))
    return [cell for cell in cells if cell.digest in Store(folder).done()]


@pytest.mark.parametrize(
    ("change", "is_there"),
    [
        ({}, True),
        ({"removed": "tuning_rate"}, True),  # the option came later
        ({"removed": "weight_decay"}, True),
        ({"tuning_rate": 0.5}, True),  # its default was another, and nothing is tuned
        ({"removed": "ridge"}, False),  # it was not what the study gives
        ({"ridge": 0.1}, False),
        ({"weight_decay": 0.1}, False),  # its default was another
        ({"gone": 1}, False),  # nobody knows what it did
    ],
)
def test_options_that_came_since_or_change_nothing_make_no_other_run(
    study: Path, tmp_path: Path, change: dict[str, Any], is_there: bool
) -> None:
    assert bool(found(study, tmp_path, **change)) == is_there
