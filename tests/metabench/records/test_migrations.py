"""Records of every schema version say the same after they were brought up to today's."""

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metabench.config import NOT_RECORDED, SECTION_OF, SETTINGS
from metabench.errors import UsageError
from metabench.records.migrations import SECTIONS_OF_4, STEPS, VERSION, migrate
from metabench.records.predictions import predictions_file
from metabench.records.reader import read_record, read_records, scores_file
from tests.conftest import PROJECT

REFERENCE = PROJECT / "results" / "reference"
FOLDERS = sorted(path.parent for path in REFERENCE.glob("*/record.json"))

OLD: dict[str, Any] = {
    "id": "a-run",
    "created": "2026-01-01T00:00:00+00:00",
    "config": {"learner": "nearest", "dataset": "folder:/home/ann/pictures/tiny/", "episodes": 2},
    "changed_options": {},
    "dataset": {
        "name": "folder:/home/ann/pictures/tiny/",
        "split": "seed=0",
        "image_shape": [1, 16, 16],
        "fingerprints": {"train": "01", "validation": "02", "test": "03"},
        "classes": {"train": 6, "validation": 3, "test": 3},
    },
    "transductive": False,
    "outside_data": False,
    "score": {"accuracy": 0.5, "squared_error": None, "half_width": 0.1, "parameters": 3, "task_milliseconds": 1.5},
    "companions": {"teacher": {"accuracy": 0.75, "half_width": 0.2, "parameters": 9, "task_milliseconds": 4.0}},
    "training": {"curve": [], "best": {}, "seconds": 3.0, "images": 40},
    "evaluation_seconds": 1.0,
    "peak_memory_megabytes": None,
    "environment": {"device": "x86_64"},
}

# Fields that hold a text, or that some of the values below fit.
ANYTHING = (
    *("id", "companions", "changed_options", "environment", "peak_memory_megabytes", "evaluation_seconds"),
    *("transductive", "outside_data", "config"),
)


def test_the_first_step_says_that_there_are_no_floors_and_no_predictions() -> None:
    assert STEPS[1](OLD) == {**OLD, "floors": {}, "answers": None}


def test_the_second_step_names_metrics_predictions_and_folders() -> None:
    made = STEPS[2]({**OLD, "answers": "ab12", "schema_version": 2})
    assert "answers" not in made
    assert made["predictions"] == "ab12"
    assert made["score"] == {
        "metric": "accuracy",
        "mean": 0.5,
        "half_width": 0.1,
        "parameters": 3,
        "task_milliseconds": 1.5,
    }
    assert made["companions"]["teacher"]["mean"] == 0.75
    assert made["dataset"]["name"] == made["config"]["dataset"] == "folder:tiny"
    assert made["environment"] == OLD["environment"]


def test_the_third_step_makes_sections_and_says_the_kind() -> None:
    config = {
        "learner": "maml",
        "options": {"steps": 3},
        "dataset": "sinusoid",
        "shots": 10,
        "task": "fixed",
        "seed": 2,
    }
    made = STEPS[3]({**OLD, "config": {**config, "episodes": 7, "threads": 1}, "schema_version": 3})
    assert made["dataset"]["kind"] == "functions"
    assert made["config"] == {
        "learner": "maml",
        "options": {"steps": 3},
        "data": {"dataset": "sinusoid"},
        "task": {"shots": 10, "task": "fixed"},
        "test": {"episodes": 7},
        "training": {"seed": 2},
        "machine": {"threads": 1},
    }
    assert STEPS[3]({**OLD, "schema_version": 3})["dataset"]["kind"] == "images"


def test_sections_have_every_setting_that_is_recorded() -> None:
    # A setting that comes later goes to a later version's sections, with a step that sets what earlier runs did.
    sections = {name: section for section, names in SECTIONS_OF_4.items() for name in names}
    sections["max_tokens"] = "data"  # since version 5; earlier records are of no texts
    sections["query_imbalance"] = "task"  # since version 6; earlier tasks have as many queries of each class
    sections["across"] = "data"  # since version 8; earlier tasks have support and queries of one kind
    assert sections == {name: SECTION_OF[name] for name in SETTINGS if SECTION_OF[name] and name not in NOT_RECORDED}


@pytest.mark.parametrize(
    ("outside_data", "weights", "expected"),
    [(False, None, "no"), (True, None, "unknown"), (False, {"file": "w", "test_classes": "no"}, "no")],
)
def test_the_sixth_step_asks_of_every_run_what_it_asked_of_files(
    outside_data: bool, weights: dict[str, Any] | None, expected: str
) -> None:
    made = STEPS[6]({**OLD, "outside_data": outside_data, "weights": weights, "schema_version": 6})
    assert made["test_classes"] == expected
    assert made["weights"] == (weights and {"file": "w"})


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6, 7, 8])
def test_what_it_is_given_stays_as_it_is(version: int) -> None:
    given = {**copy.deepcopy(OLD), "schema_version": version}
    kept = copy.deepcopy(given)
    assert migrate(given)["schema_version"] == VERSION
    assert given == kept


def test_todays_is_left_alone() -> None:
    today = migrate({**OLD, "schema_version": 1})
    assert migrate(today) == today


@pytest.mark.parametrize("version", [0, -1, 10, "3", True, None, 2.0, [1]])
def test_another_version_is_refused(version: Any) -> None:
    with pytest.raises(ValueError, match=r"it has schema version .*, and this metabench reads 1 to 9; install the one"):
        migrate({**OLD, "schema_version": version})


@pytest.mark.parametrize("means", [{}, {"accuracy": None}, {"accuracy": 0.5, "squared_error": 0.5}])
def test_a_score_of_no_metric_or_of_two_is_refused(means: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="a score has either an accuracy or a squared_error"):
        migrate({**OLD, "schema_version": 2, "score": means})


@pytest.mark.parametrize("field", sorted(OLD))
@pytest.mark.parametrize("value", [None, 7, "x", [1], {"a": 1}])
@pytest.mark.parametrize("version", [1, 2])
def test_nothing_in_an_old_record_ends_in_a_traceback(field: str, value: Any, version: int, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps({**OLD, "schema_version": version, field: value}))
    (tmp_path / "accuracies.csv").write_text("episode,learner\n0,0.25\n1,0.75\n")
    (read,) = read_records([path])
    if isinstance(read, UsageError):
        assert "\n" not in str(read)
        assert field in str(read) or "a score has" in str(read)
    else:
        assert field in ANYTHING
        assert read[0].schema_version == VERSION


def test_the_references_are_of_every_version() -> None:
    versions = [json.loads((folder / "record.json").read_text())["schema_version"] for folder in FOLDERS]
    assert set(versions) == {1, 2, 3, 5, 6, 7, 8, 9}
    assert len(FOLDERS) > 60


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_value_of_a_reference_follows_from_its_scores_and_predictions(folder: Path) -> None:
    """Computed here with pandas and numpy alone, from the files as they are on the disk."""
    raw = json.loads((folder / "record.json").read_text())
    record, of_tasks = read_record(folder / "record.json")
    score = record.score
    said = {name: raw["score"][name] for name in ("accuracy", "squared_error", "mean") if raw["score"].get(name)}
    assert list(said.values()) == [score.mean]
    assert (
        score.model_dump(exclude={"metric", "mean"}, exclude_defaults=True).items()
        <= {name: value for name, value in raw["score"].items() if value is not None}.items()
    )
    assert np.array_equal(of_tasks, pd.read_csv(scores_file(folder))["learner"])
    assert of_tasks.mean() == pytest.approx(score.mean, rel=1e-5)
    if score.worst_tasks is not None:
        count = -(-len(of_tasks) // 20)
        worst = np.sort(of_tasks)[:count] if score.metric != "squared_error" else np.sort(of_tasks)[-count:]
        assert worst.mean() == pytest.approx(score.worst_tasks, rel=1e-5)
    if record.predictions is None:
        return
    table = pd.read_parquet(predictions_file(folder))
    predicted = table["prediction" if "prediction" in table else "answer"].astype(str)
    right = (predicted == table["class"].astype(str)).astype(float)
    assert right.groupby(table["task"]).mean().to_numpy() == pytest.approx(of_tasks, abs=1e-5)
    by_class = right.groupby(table["class"].astype(str)).mean()
    assert by_class.min() == score.worst_class
    if score.class_quantile is not None:
        assert np.quantile(by_class, 0.05) == pytest.approx(score.class_quantile)
    confidence = table["confidence"].astype(float).round(3)
    bins = np.ceil((confidence * 15).round(9)).clip(1)
    gaps = (right.groupby(bins).mean() - confidence.groupby(bins).mean()).abs() * bins.value_counts()
    assert gaps.sum() / len(table) == pytest.approx(score.calibration_error, abs=1e-6)
