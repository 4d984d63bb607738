"""Records run again."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metabench
from metabench.errors import UsageError
from metabench.records.reader import read_record
from metabench.records.record import RunRecord
from metabench.rerun.reproduce import Reproduction, reproduce
from tests.made_records import edit_record as edit
from tests.made_records import make_record
from tests.metabench.rerun.conftest import STUDENT

MAML = {"backbone": "conv4-strided:4", "steps": 6, "meta_batch": 2, "inner_steps": 1, "test_inner_steps": 1}
PROTONET = {"backbone": "conv4-strided:4", "steps": 6}


def quick(output: Path, **changes: Any) -> tuple[Path, RunRecord]:
    record = metabench.run(**{**STUDENT, "learner": "maml", "options": MAML, "output": output, **changes})
    return output / record.id, record


def test_a_run_is_reproduced_to_the_last_task_as_a_run_of_its_own(tmp_path: Path) -> None:
    folder, _ = quick(tmp_path)
    found = reproduce(folder, output=tmp_path)
    assert (found.differing, found.agrees, found.changes) == (0, True, ())
    assert found.folder == tmp_path / f"{folder.name}-2"
    assert str(found).startswith("reproduced: accuracy ")
    assert "the same on each of the 20 tasks" in str(found)
    assert read_record(found.folder / "record.json")[0].score.mean == found.recorded.score.mean


def test_another_training_does_not_come_out_the_same(tmp_path: Path) -> None:
    """The record of one seed says that it is another's."""
    folder, record = quick(tmp_path)
    edit(folder, config__training__seed=1, environment__packages__torch="1.9")
    found = reproduce(folder, output=tmp_path)
    assert found.differing > 0
    assert found.changes == (f"torch 1.9, now {record.environment['packages']['torch']}",)
    assert str(found).startswith("differs: ")


def made(tmp_path: Path, after: float, deviation: float = np.nan, freedom: int = 0) -> Reproduction:
    before, repeated = make_record(np.full(100, 0.5)), make_record(np.full(100, after))
    return Reproduction(before, repeated, tmp_path, 100, deviation, freedom, "by its own 3 training seeds", ())


def test_two_trainings_agree_within_what_training_again_differs_by(tmp_path: Path) -> None:
    """A deviation of 0.01 from three seeds: two runs lie within 4.3027 (t, 2 degrees) x 0.01 x sqrt(2) = 0.0608."""
    assert made(tmp_path, 0.56, 0.01, 2).agrees
    assert not made(tmp_path, 0.562, 0.01, 2).agrees
    assert made(tmp_path, 0.562, 0.01, 2).allowed == pytest.approx(0.060849, abs=1e-5)
    assert str(made(tmp_path, 0.562, 0.01, 2)).startswith(
        "does not agree: accuracy 56.20%, in the record 50.00%; a difference of 6.20%, where training again differs by "
        "up to 6.08% (by its own 3 training seeds)\n100 of 100 tasks have another score; "
    )


def test_the_interval_over_tasks_does_not_stand_in_for_training_again(tmp_path: Path) -> None:
    """Both are 0.01 wide, and 0.001 lies between them; yet the tasks are the same."""
    found = made(tmp_path, 0.501)
    assert not found.agrees
    assert "no record at hand says by how much training again differs on these tasks: run it with --seed 1" in str(
        found
    )


def test_its_own_seeds_are_found_among_the_records_at_hand(tmp_path: Path) -> None:
    folder, first = quick(tmp_path / "theirs")
    _, second = quick(tmp_path / "theirs", seed=1)
    _, third = quick(tmp_path / "results", seed=2)
    quick(tmp_path / "results", seed=3, shots=1)
    found = reproduce(folder, output=tmp_path / "results")
    assert (found.freedom, found.whose) == (2, "by its own 3 training seeds")
    means = [record.score.mean for record in (first, second, third)]
    assert found.deviation == pytest.approx(np.std(means, ddof=1), rel=1e-4)


def test_seeds_of_other_learners_are_pooled_where_its_own_are_few(tmp_path: Path) -> None:
    folder, _ = quick(tmp_path)
    others = [quick(tmp_path, seed=seed, learner="protonet", options=PROTONET)[1] for seed in (0, 1)]
    found = reproduce(folder, output=tmp_path)
    assert (found.freedom, found.whose) == (1, "by the training seeds of learners here: 1")
    assert found.deviation == pytest.approx(abs(others[0].score.mean - others[1].score.mean) / np.sqrt(2), rel=1e-4)


def test_other_data_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    folder, _ = quick(tmp_path / "theirs")
    edit(folder, dataset__fingerprints__train="0" * 32)
    with pytest.raises(UsageError, match="the train images of 'glyphs' have fingerprint "):
        reproduce(folder, output=tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_record_alone_suffices(tmp_path: Path) -> None:
    """Weights and predictions are not needed."""
    folder, _ = quick(tmp_path / "theirs")
    shutil.copytree(folder, tmp_path / "sent", ignore=shutil.ignore_patterns("*.pt", "*.parquet", "*.png"))
    assert json.loads((tmp_path / "sent" / "record.json").read_text())["predictions"]
    assert reproduce(tmp_path / "sent" / "record.json", output=tmp_path / "results").differing == 0
