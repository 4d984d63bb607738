import json
from pathlib import Path

import numpy as np
import pytest

from metabench.errors import UsageError
from metabench.records import read_record
from tests.made_records import make_record, write_run

ACCURACIES = np.array([1 / 3, 2 / 3, 1.0])


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record, accuracies = read_record(write_run(tmp_path / "run", ACCURACIES, learner="maml", options={"steps": 3}))
    assert record == make_record(ACCURACIES, id="run", learner="maml", options={"steps": 3})
    assert np.allclose(accuracies, ACCURACIES, atol=1e-6)


def test_a_record_of_errors_comes_back_too(tmp_path: Path) -> None:
    errors = np.array([0.5, 2000.25, 12345.678])
    record, read = read_record(write_run(tmp_path / "run", errors, dataset="sinusoid"))
    assert np.allclose(read, errors, rtol=1e-5)
    assert record.score.accuracy is None
    assert record.score.squared_error == record.score.mean == pytest.approx(errors.mean())


def test_places_on_the_machine_are_not_recorded(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", ACCURACIES, output=tmp_path, data_root=tmp_path)
    assert str(tmp_path) not in path.read_text()


def damage(path: Path, how: str) -> None:
    text = path.read_text()
    table = path.with_name("accuracies.csv")
    if how == "cut":
        path.write_text(text[:100])
    elif how == "field":
        path.write_text(json.dumps({**json.loads(text), "score": {"accuracy": 2}}))
    elif how == "two scores":
        path.write_text(text.replace('"squared_error": null', '"squared_error": 0.6'))
    elif how == "version":
        path.write_text(json.dumps({**json.loads(text), "schema_version": 99}))
    elif how == "no table":
        table.unlink()
    elif how == "other tasks":
        table.write_text("episode,learner\n0,0.5\n")
    elif how == "other mean":
        table.write_text("episode,learner\n0,0.5\n1,0.5\n2,0.5\n")
    elif how == "empty table":
        table.write_text("")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("cut", "is not a valid record: Invalid JSON"),
        ("field", r"is not a valid record: score.accuracy: Input should be less than or equal to 1"),
        ("two scores", "is not a valid record: score: .*either an accuracy or a squared_error"),
        ("version", "is not a valid record: schema_version: Input should be 1"),
        ("no table", "cannot read '.*accuracies.csv', the accuracies of record"),
        ("other tasks", "does not fit record"),
        ("other mean", "does not fit record"),
        ("empty table", "cannot read '.*accuracies.csv'"),
    ],
)
def test_damaged_records_are_named(tmp_path: Path, how: str, message: str) -> None:
    path = write_run(tmp_path / "run", ACCURACIES)
    damage(path, how)
    with pytest.raises(UsageError, match=message) as error:
        read_record(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
