"""The answers that a learner gives, as a table and in a file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from scipy.special import softmax

from baselines.metric.nearest import Nearest
from baselines.metric.protonet import ProtoNet
from episodes import Dataset, EpisodeSampler, FixedTask
from episodes.sampling.source import BankSource
from episodes.tasks.variable import VariableTask
from metabench.errors import UsageError
from metabench.evaluation.loop import predict_episodes
from metabench.evaluation.score import tabulate
from metabench.learner import Learner, Problem
from metabench.records.predictions import PREDICTIONS_FILE, accuracies_of, encode, read_predictions

TASK = FixedTask(ways=3, shots=2, queries=4)


def untrained(kind: type[Learner]) -> Learner:
    torch.manual_seed(0)
    return kind(Problem((1, 28, 28), 9, TASK), kind.Options(backbone="conv4:8"))


def answered(kind: type[Learner], source: BankSource, episodes: int) -> tuple[pd.DataFrame, np.ndarray]:
    made = predict_episodes(untrained(kind), source, episodes)
    return tabulate(source, made), made.scores


def test_a_small_file_of_endless_rows_is_refused_unread(
    kept: tuple[Path, pd.DataFrame, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, table, scores = kept
    (tmp_path / "x.parquet").write_bytes(encode(table.iloc[np.zeros(700_000, dtype=int)]))
    assert (tmp_path / "x.parquet").stat().st_size < 100_000
    monkeypatch.delattr(pq.ParquetFile, "read")
    with pytest.raises(UsageError, match="it has 700000 predictions, more than 20000 a task"):
        read_predictions(tmp_path / "x.parquet", scores)


@pytest.mark.parametrize("kind", [Nearest, ProtoNet])
@pytest.mark.parametrize("task", [TASK, VariableTask()])
def test_the_table_is_what_classifying_task_by_task_gives(kind: type[Learner], task: object, glyphs: Dataset) -> None:
    source = EpisodeSampler(glyphs.test, task, seed=0)  # type: ignore[arg-type]
    table, scores = answered(kind, source, 20 if task is TASK else 4)
    learner, names = untrained(kind).eval(), np.asarray(glyphs.test.class_names)
    for number, part in table.groupby("task"):
        drawn, episode = source.indices([number]), source.batch([number]).to_float()
        by_class = np.argsort(drawn.query_labels[0], kind="stable")
        with torch.no_grad():
            logits = learner.classify(episode)[0].double().numpy()[by_class]
        of_images = [glyphs.test.labels[image] for image in drawn.query[0][by_class]]
        assert part["class"].tolist() == names[of_images].tolist()
        assert part["group"].tolist() == [glyphs.test.groups[label] for label in of_images]
        answers = names[drawn.classes[0][logits.argmax(1)]]
        sure = np.sort(logits, axis=1)[:, -1] - np.sort(logits, axis=1)[:, -2] > 1e-4 * np.abs(logits).max()
        assert np.array_equal(part["prediction"].to_numpy(dtype=str)[sure], answers[sure])
        assert part["confidence"].to_numpy() == pytest.approx(softmax(logits, axis=1).max(1), abs=2e-3)
        right = (part["class"].astype(str) == part["prediction"].astype(str)).mean()
        assert right == pytest.approx(scores[number])
    assert accuracies_of(table) == pytest.approx(scores)


@pytest.fixture(scope="module")
def kept(glyphs: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame, np.ndarray]:
    table, scores = answered(Nearest, EpisodeSampler(glyphs.test, TASK, seed=0), 30)
    path = tmp_path_factory.mktemp("run") / PREDICTIONS_FILE
    path.write_bytes(encode(table))
    return path, table, scores


def test_a_file_gives_the_table_back(kept: tuple[Path, pd.DataFrame, np.ndarray]) -> None:
    path, table, scores = kept
    read = read_predictions(path, scores)
    assert list(read) == ["task", "class", "group", "prediction", "confidence"]
    for name in read:
        assert read[name].tolist() == table[name].tolist(), name
    assert pq.read_schema(path).field("confidence").type == pa.float32()


def test_the_file_of_a_whole_run_is_small(glyphs: Dataset) -> None:
    table, _ = answered(Nearest, EpisodeSampler(glyphs.test, FixedTask(5, 1, 15), seed=0), 600)
    assert len(table) == 45_000
    assert len(encode(table)) < 120_000


def with_column(table: pd.DataFrame, name: str, row: int, value: object) -> pd.DataFrame:
    column = table[name].copy()
    column[row] = value
    return table.assign(**{name: column})


def spoil(table: pd.DataFrame, how: str) -> bytes:
    wrong = next(name for name in table["prediction"].cat.categories if name != table["class"][0])
    wrong = wrong if table["prediction"][0] == table["class"][0] else table["class"][0]
    changed = {
        "other tasks": lambda: table[table["task"] < 29],
        "more tasks": lambda: pd.concat([table, table.tail(1).assign(task=30)], ignore_index=True),
        "other answers": lambda: with_column(table, "prediction", 0, wrong),
        "nan": lambda: with_column(table, "confidence", 0, float("nan")),
        "too sure": lambda: with_column(table, "confidence", 0, 1.5),
        "no answer": lambda: with_column(table, "prediction", 0, None),
    }
    if how in changed:
        return encode(changed[how]().astype({"task": "int32"}))
    file = pa.BufferOutputStream()
    pq.write_table(pa.table({"task": [1], "answer": ["<script>"]}), file)
    return {"cut": encode(table)[:-100], "empty": b"", "columns": file.getvalue().to_pybytes()}[how]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("other tasks", "does not fit its record: it has other tasks than 0 to 29"),
        ("more tasks", "does not fit its record: it has other tasks than 0 to 29"),
        ("other answers", "does not fit its record: task 0 has another accuracy"),
        ("nan", "values are missing|a confidence is not between 0 and 1"),
        ("too sure", "a confidence is not between 0 and 1"),
        ("no answer", "values are missing"),
        ("columns", "does not fit its record: its columns are task int64, answer string"),
        ("cut", "cannot read the predictions"),
        ("empty", "cannot read the predictions"),
        ("gone", "there is no '.*predictions.parquet', where a run of classification keeps its predictions"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(
    how: str, message: str, kept: tuple[Path, pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    _, table, scores = kept
    path = tmp_path / PREDICTIONS_FILE
    if how != "gone":
        path.write_bytes(spoil(table, how))
    with pytest.raises(UsageError, match=message) as error:
        read_predictions(path, scores)
    assert "\n" not in str(error.value)
