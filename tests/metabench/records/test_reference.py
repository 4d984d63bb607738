"""The reference records that ship with the package."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metabench.board.rows import entries, frame
from metabench.cli.main import main
from metabench.records.reference import reference_folder, reference_runs, with_reference
from metabench.records.runs import read_runs
from metabench.records.submissions import add_records
from metabench.reports.contest import contests
from tests.conftest import PROJECT
from tests.made_records import write_run

REFERENCE = PROJECT / "results" / "reference"


def call(*arguments: str) -> object:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


def test_a_build_puts_scores_and_predictions_into_the_package_and_nothing_else(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for name in ("baselines", "episodes", "metabench", "results"):
        shutil.copytree(PROJECT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "build_py", "--build-lib", built]
    subprocess.run(command, cwd=source, check=True)
    shipped = built / "metabench" / "reference_records"
    kinds = {"record.json", "accuracies.csv", "answers.parquet", "scores.csv", "predictions.parquet"}
    wanted = {path.relative_to(REFERENCE) for path in REFERENCE.glob("*/*") if path.name in kinds}
    assert {path.relative_to(shipped) for path in shipped.rglob("*") if path.is_file()} == wanted
    assert len([path for path in wanted if path.name == "record.json"]) > 60


def test_in_a_checkout_they_are_those_of_results() -> None:
    assert reference_folder() == REFERENCE
    runs = reference_runs()
    assert {run.origin for run in runs} == {"verified"}
    assert len(runs) == len(list(REFERENCE.glob("*/record.json")))


def test_every_learner_that_was_trained_on_glyphs_is_above_what_needs_no_training() -> None:
    """A learner whose default settings teach it nothing would show here."""
    trained = [
        run.record for run in reference_runs() if run.record.dataset.name == "glyphs" and run.record.training.seconds
    ]
    assert len({record.config.learner for record in trained}) > 20
    below = [each.id for each in trained if each.score.mean <= max(floor.mean for floor in each.floors.values())]
    assert not below


def test_ones_own_run_stands_among_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = (run for run in reference_runs() if run.record.id == "glyphs-5way-1shot-protonet-seed0")
    config = run.record.config.numbers
    write_run(
        tmp_path / "mine",
        run.of_tasks / 2,
        learner="mine",
        test_images=run.record.dataset.fingerprints.test,
        class_split=run.record.dataset.split,
        **config,
    )
    target = tmp_path / "table.csv"
    arguments = ["leaderboard", "--results", str(tmp_path), "--reference", "--dataset", "glyphs", "--csv", str(target)]
    assert call(*arguments, "--ways", "5", "--shots", "1") == 0
    table = pd.read_csv(target)
    assert table["learner"].tolist()[-1] == "mine"
    assert set(table["learner"]) > {"finetune", "protonet", "maml"}
    assert table["test_fingerprint"].nunique() == 1
    assert table["origin"].tolist() == ["verified"] * (len(table) - 1) + ["own"]
    assert call("leaderboard", "--results", str(tmp_path / "nowhere"), "--reference") == 0
    assert not (tmp_path / "nowhere").exists()
    assert "protonet" in capsys.readouterr().out


def test_a_run_is_compared_with_those_of_its_tasks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run,) = (run for run in reference_runs() if run.record.id == "glyphs-5way-1shot-protonet-seed0")
    (other,) = (run for run in reference_runs() if run.record.id == "omniglot-5way-1shot-protonet-seed0")
    assert run.folder
    alike = [each for each in reference_runs() if each.record.dataset.name == run.record.dataset.name]
    names = {each.record.config.learner for each in alike}
    (found,) = contests(with_reference([run.folder]))
    assert {name.partition(" ")[0] for name in found.scores} == names
    assert {name: len(scores) for name, scores in found.scores.items()}["protonet"] == 3  # its own seed once
    write_run(
        tmp_path / "mine",
        run.of_tasks / 2,
        learner="mine",
        test_images=run.record.dataset.fingerprints.test,
        **run.record.config.numbers,
    )
    assert call("compare", str(tmp_path / "mine"), "--reference") == 0
    printed = capsys.readouterr().out
    assert "mine" in printed
    assert "finetune" in printed
    assert other.record.dataset.name not in printed
    write_run(tmp_path / "elsewhere", run.of_tasks, learner="mine")
    assert call("compare", str(tmp_path / "elsewhere"), "--reference") == 2
    assert "no reference record is of the tasks of" in capsys.readouterr().err


def test_copies_of_them_are_verified_by_the_release_unless_they_were_changed(tmp_path: Path) -> None:
    names = ["glyphs-5way-1shot-nearest-seed0", "glyphs-5way-1shot-protonet-seed0"]
    for name in names:
        shutil.copytree(REFERENCE / name, tmp_path / "theirs" / name)
    record = tmp_path / "theirs" / names[1] / "record.json"
    record.write_text(record.read_text().replace('"learner": "protonet"', '"learner": "protonet2"'))
    done = add_records(tmp_path / "theirs", tmp_path / "results")
    assert (len(done.folders), done.released) == (2, 1)
    table = frame(entries(read_runs(tmp_path / "results")[0]))
    origins = dict(zip(table["learner"], table["origin"], strict=True))
    assert origins == {"nearest": "verified", "protonet2": "unverified"}
    assert np.isfinite(table["rank_low"].to_numpy(dtype=float, na_value=np.nan)).sum() == 1
