"""Records run again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import metabench
from metabench.errors import UsageError
from metabench.reading import read_record
from metabench.records import RunRecord
from metabench.reproduce import Reproduction, reproduce
from tests.made_records import edit_record as edit
from tests.metabench.test_verify import QUICK

MAML = {"backbone": "conv4-strided:4", "steps": 6, "meta_batch": 2, "inner_steps": 1, "test_inner_steps": 1}


def quick(output: Path, **changes: Any) -> tuple[Path, RunRecord]:
    record = metabench.run(**{**QUICK, "learner": "maml", "options": MAML, "output": output, **changes})
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
    edit(folder, config__seed=1, environment__packages__torch="1.9")
    found = reproduce(folder, output=tmp_path)
    assert found.differing > 0
    assert found.changes == (f"torch 1.9, now {record.environment['packages']['torch']}",)
    assert "how far training seeds differ is not known here" in str(found)


def made(tmp_path: Path, seeds: tuple[float, ...], after: float) -> Reproduction:
    import numpy as np

    from tests.made_records import make_record

    before, repeated = make_record(np.full(100, seeds[0])), make_record(np.full(100, after))
    return Reproduction(before, repeated, tmp_path, 100, seeds, ())


def test_with_other_seeds_at_hand_it_agrees_within_what_seeds_differ_by(tmp_path: Path) -> None:
    """Three seeds of deviation 0.01: two runs lie within 4.3027 (t, 2 degrees) x 0.01 x sqrt(2) = 0.0608."""
    assert made(tmp_path, (0.5, 0.51, 0.49), 0.56).agrees
    assert not made(tmp_path, (0.5, 0.51, 0.49), 0.562).agrees
    assert made(tmp_path, (0.5, 0.51, 0.49), 0.562).allowed == pytest.approx(0.060849, abs=1e-5)


def test_without_them_within_both_intervals(tmp_path: Path) -> None:
    """Both are 0.01 wide: 0.01 sqrt(2) = 0.0141."""
    assert made(tmp_path, (0.5,), 0.514).agrees
    assert not made(tmp_path, (0.5,), 0.515).agrees
    assert str(made(tmp_path, (0.5,), 0.515)).startswith("does not agree: accuracy 51.50%, in the record 50.00%; ")


def test_other_seeds_are_found_among_the_records_at_hand(tmp_path: Path) -> None:
    folder, first = quick(tmp_path / "theirs")
    _, second = quick(tmp_path / "theirs", seed=1)
    _, third = quick(tmp_path / "results", seed=2)
    quick(tmp_path / "results", seed=3, shots=1)
    found = reproduce(folder, output=tmp_path / "results")
    assert found.seeds == tuple(record.score.mean for record in (first, second, third))


def test_other_data_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    folder, _ = quick(tmp_path / "theirs")
    edit(folder, dataset__fingerprints__train="0" * 32)
    with pytest.raises(UsageError, match="the train images of 'glyphs' have fingerprint "):
        reproduce(folder, output=tmp_path / "results")
    assert not (tmp_path / "results").exists()


def test_the_record_alone_suffices(tmp_path: Path) -> None:
    """Weights and answers are not needed."""
    folder, _ = quick(tmp_path / "theirs")
    shutil.copytree(folder, tmp_path / "sent", ignore=shutil.ignore_patterns("*.pt", "*.parquet", "*.png"))
    assert json.loads((tmp_path / "sent" / "record.json").read_text())["predictions"]
    assert reproduce(tmp_path / "sent" / "record.json", output=tmp_path / "results").differing == 0
