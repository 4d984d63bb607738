import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metabench.errors import UsageError
from metabench.records import reader as reading
from metabench.records.predictions import digest
from metabench.records.reader import read_record, read_records
from metabench.records.record import RunRecord
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
    assert record.score.metric == "squared_error"
    assert record.score.mean == pytest.approx(errors.mean())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"created": "9"}, "created: no time with its zone"),
        ({"created": "2026-01-01T00:00:00"}, "created: no time with its zone"),
        ({"created": "9026-01-01T00:00:00+00:00"}, "created: a time that is still to come"),
        ({"score": {"metric": "squared_error", "mean": 55.0}}, "a score is not of what its configuration asks for"),
        (
            {"companions": {"teacher": {"metric": "squared_error", "mean": 0.5}}},
            "a score is not of what its configuration asks for",
        ),
        ({"floors": {"sky": {"mean": 1e99, "half_width": 0, "episodes": 3}}}, "a floor is not an accuracy"),
        ({"score": {"metric": "accuracy", "mean": 0.5, "worst_tasks": 2}}, "worst_tasks is not an accuracy"),
        ({"score": {"metric": "accuracy", "mean": 1.5}}, "mean is not an accuracy"),
        ({"score": {"metric": "accuracy", "mean": 0.5, "half_width": 11}}, "half_width is not an accuracy"),
    ],
)
def test_figures_of_another_kind_and_times_that_are_none_are_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = write_run(tmp_path / "run", ACCURACIES)
    content = json.loads(path.read_text())
    score = {"half_width": 0.1, "parameters": 1, "task_milliseconds": 1}
    for name, value in changes.items():
        if name == "score":
            value = {**score, **value}
        if name == "companions":
            value = {each: {**score, **its} for each, its in value.items()}
        content[name] = value
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=re.escape(message)):
        read_record(path)


def test_predictions_are_those_that_the_record_knows(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", ACCURACIES, predictions=digest(b"predictions"))
    path.with_name("predictions.parquet").write_bytes(b"predictions")
    assert read_record(path)[0].predictions == digest(b"predictions")
    path.with_name("predictions.parquet").unlink()  # records are passed on without them
    assert read_record(path)[0].schema_version == 9


def test_places_on_the_machine_are_not_recorded(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", ACCURACIES, output=tmp_path, data_root=tmp_path)
    assert str(tmp_path) not in path.read_text()


def damage(path: Path, how: str) -> None:
    text = path.read_text()
    table = path.with_name("scores.csv")
    if how == "cut":
        path.write_text(text[:100])
    elif how == "field":
        path.write_text(json.dumps({**json.loads(text), "score": {"metric": "accuracy", "mean": "much"}}))
    elif how == "two scores":
        path.write_text(text.replace('"metric"', '"accuracy": 0.6, "metric"'))
    elif how == "version":
        path.write_text(json.dumps({**json.loads(text), "schema_version": 99}))
    elif how == "text version":
        path.write_text(text.replace('"schema_version": 9', '"schema_version": "' + "9" * 1000 + '"'))
    elif how == "predictions":
        path.with_name("predictions.parquet").write_bytes(b"of another run")
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
        ("field", r"is not a valid record: score.mean: Input should be a valid number"),
        ("two scores", "is not a valid record: score.accuracy: Extra inputs are not permitted"),
        ("version", "is not a valid record: it has schema version 99, and this metabench reads 1 to 9; install"),
        ("text version", "is not a valid record: it has schema version '9{19}, and this metabench reads 1 to 9"),
        ("predictions", "'.*predictions.parquet' does not fit record '.*': other predictions; restore one of the two"),
        ("no table", "cannot read '.*scores.csv', the scores of record"),
        ("other tasks", "does not fit record"),
        ("other mean", "does not fit record"),
        ("empty table", "cannot read '.*scores.csv'"),
    ],
)
def test_damaged_records_are_named(tmp_path: Path, how: str, message: str) -> None:
    path = write_run(tmp_path / "run", ACCURACIES)
    damage(path, how)
    with pytest.raises(UsageError, match=message) as error:
        read_record(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_many_are_read_as_one_by_one_whatever_is_wrong_with_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = {
        "as written": "episode,learner\n0,0.25\n1,0.75\n",
        "no end of line": "episode,learner\n0,0.25\n1,0.75",
        "lines of Windows": "episode,learner\r\n0,0.25\r\n1,0.75\r\n",
        "one end of line of a Mac": "episode,learner\n0,0.25\r1,0.75\n",
        "empty line": "episode,learner\n0,0.25\n\n1,0.75\n",
        "no row": "episode,learner\n",
        "a word": "episode,learner\n0,0.25\n1,x\n",
        "a teacher": "episode,learner,teacher\n0,0.25,1\n1,0.75,0\n",
        "the other way round": "learner,episode\n0.25,0\n0.75,1\n",
        "one too many": "episode,learner\n0,0.25\n1,0.75\n2,0.5\n",
        "cut": "episode,lear",
        "a hidden column": "a\repisode,learner,episode\n0,0.25,0\n",
        "nothing": "",
    }
    paths = [write_run(tmp_path / name, np.array([0.25, 0.75])) for name in tables]
    for path, table in zip(paths, tables.values(), strict=True):
        path.with_name("scores.csv").write_bytes(table.encode())
    paths.append(tmp_path / "no record" / "record.json")

    def text(read: tuple[RunRecord, np.ndarray] | UsageError) -> str:
        return str(read) if isinstance(read, UsageError) else f"{read[0].id}: {read[1].tolist()}"

    alone = {path: text(next(read_records([path]))) for path in paths}
    good = [path.parent.name for path, read in alone.items() if read == f"{path.parent.name}: [0.25, 0.75]"]
    assert set(tables) - set(good) == {"no row", "a word", "one too many", "cut", "nothing", "a hidden column"}
    for some in (paths, *itertools.permutations(paths, 2)):
        assert [text(read) for read in read_records(some)] == [alone[path] for path in some]
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 100)
    assert [text(read) for read in read_records(paths)] == list(alone.values())
