"""Predictions for a user's own examples: those of the learner, and of its record."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import metabench
from episodes.episode import EpisodeBatch
from episodes.errors import DataError
from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.records.predictions import read_predictions
from metabench.rerun.given import GivenTask
from metabench.rerun.load import TrainedRun, load_trained
from tests.made_banks import numbered_bank
from tests.made_records import write_run
from tests.metabench.rerun.conftest import OF_TEXTS, QUICK, written


@pytest.fixture(scope="module")
def of_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of pictures: its folder."""
    output = tmp_path_factory.mktemp("pictures")
    options = {"steps": 2, "backbone": "conv4:8"}
    record = metabench.run(learner="protonet", ways=3, shots=2, options=options, output=output, **QUICK)
    return output / record.id


def picture(run: TrainedRun, row: int, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(run.dataset.test.gather(torch.tensor(row))[0].numpy()).save(path)
    return path


def task_as_pictures(run: TrainedRun, number: int, folder: Path) -> tuple[Path, list[Path]]:
    """Writes a test task's pictures without loss: the support's folder, and the queries in the record's order."""
    drawn, names = run.test.indices([number]), run.dataset.test.class_names  # type: ignore[attr-defined]
    for row, label in zip(drawn.support[0], drawn.support_labels[0], strict=True):
        name = names[drawn.classes[0, label]].replace("/", "_")
        picture(run, int(row), folder / "support" / name / f"{row}.png")
    rows = drawn.query[0][np.argsort(drawn.query_labels[0], kind="stable")]
    return folder / "support", [picture(run, int(row), folder / "queries" / f"{row}.png") for row in rows]


def of_record(folder: Path, number: int) -> pd.DataFrame:
    scores = pd.read_csv(folder / "scores.csv")["learner"].to_numpy()
    predictions = read_predictions(folder / "predictions.parquet", scores)
    return predictions[predictions["task"] == number]


def check_same(table: pd.DataFrame, recorded: pd.DataFrame) -> None:
    assert [name.replace("/", "_") for name in recorded["prediction"]] == table["prediction"].tolist()
    assert np.abs(recorded["confidence"].to_numpy() - table["confidence"]).max() <= 0.001 + 1e-9


@pytest.mark.parametrize("number", [0, 5])
def test_a_test_task_as_files_gives_the_records_predictions(number: int, of_pictures: Path, tmp_path: Path) -> None:
    run = load_trained(of_pictures, "cpu")
    support, queries = task_as_pictures(run, number, tmp_path)
    table = metabench.predict(of_pictures, support=support, queries=queries)
    check_same(table, of_record(of_pictures, number))
    whole = metabench.predict(str(of_pictures), str(support), tmp_path / "queries")
    assert dict(zip(whole["query"], whole["prediction"], strict=True)) == dict(
        zip(map(str, queries), table["prediction"], strict=True)
    )


def by_hand(run: TrainedRun, batch: EpisodeBatch) -> tuple[list[int], np.ndarray]:
    """The predictions of `classify` and their probabilities."""
    with torch.no_grad():
        logits = run.learner.eval().classify(batch.to_float())[0].double()
    shares = torch.softmax(logits / run.record.score.temperature, dim=1)
    return shares.argmax(1).tolist(), shares.amax(1).numpy()


def test_classes_may_have_unequal_shots(of_pictures: Path, tmp_path: Path) -> None:
    run = load_trained(of_pictures, "cpu")
    bank = run.dataset.test
    support = {"b": [3, 4, 5], "a": [45], "d": [85, 86], "c": [125, 126, 127, 128]}  # four ways; the run had three
    queries = [10, 50, 90, 130, 11]
    table = metabench.predict(
        of_pictures,
        {label: [picture(run, row, tmp_path / f"{row}.png") for row in rows] for label, rows in support.items()},
        [picture(run, row, tmp_path / f"{row}.png") for row in queries],
    )
    rows = [row for label in "abcd" for row in support[label]]
    labels = [number for number, label in enumerate("abcd") for _ in support[label]]
    batch = EpisodeBatch(
        bank.gather(torch.tensor([rows])), torch.tensor([labels]), bank.gather(torch.tensor([queries])), ways=4
    )
    predicted, confidences = by_hand(run, batch)
    assert table["prediction"].tolist() == ["abcd"[number] for number in predicted]
    assert table["confidence"].to_numpy() == pytest.approx(confidences, abs=6e-4)


@pytest.mark.parametrize("learner", OF_TEXTS)
def test_texts_in_a_table_give_the_records_predictions(
    learner: str, of_texts: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = of_texts(learner)
    run = load_trained(folder, "cpu")
    bank, drawn = run.dataset.test, run.test.indices([1])  # type: ignore[attr-defined]
    names = [bank.class_names[number] for number in drawn.classes[0]]
    rows = [
        (bank.text(row), names[label]) for row, label in zip(drawn.support[0], drawn.support_labels[0], strict=True)
    ]
    support = written(tmp_path / "support.csv", rows, "text", "label")
    order = np.argsort(drawn.query_labels[0], kind="stable")
    queries = [bank.text(row) for row in drawn.query[0][order]]
    table = metabench.predict(folder, support=support, queries=queries)
    assert table["query"].tolist() == queries
    check_same(table, of_record(folder, 1))

    predicted, confidences = by_hand(run, run.test.batch([1]).without_query_labels())
    assert table["prediction"].tolist() == [names[predicted[place]] for place in order]
    assert table["confidence"].to_numpy() == pytest.approx(confidences[order], abs=1.1e-3)

    lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
    (tmp_path / "support.jsonl").write_text("\n".join(lines))
    for place, (text, label) in enumerate(rows):
        (tmp_path / "folder" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / label / f"{place}.txt").write_text(text)
    (tmp_path / "queries.txt").write_text("\n".join(queries) + "\n\n")
    (tmp_path / "queries.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in queries))
    written(tmp_path / "queries.csv", [("1", text) for text in queries], "number", "text")
    for other, file in (("support.jsonl", "queries.txt"), ("folder", "queries.jsonl"), ("support.csv", "queries.csv")):
        pd.testing.assert_frame_equal(metabench.predict(folder, tmp_path / other, tmp_path / file), table)


def test_the_data_are_needed_only_for_a_vocabulary_or_counts(
    of_texts: Callable[[str], Path], texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: of_texts(name) for name in OF_TEXTS}
    support, query = {"a": ["taban medor"], "b": ["sogus lufin"]}, "taban taban"
    aside = texts.rename(tmp_path / "aside.csv")
    try:
        assert metabench.predict(folders["protonet"], support, query)["prediction"].tolist() == ["a"]
        for name in ("tfidf", "finetune"):
            with pytest.raises(UsageError, match=f"learner '{name}' of .* needs the texts that it was trained on"):
                metabench.predict(folders[name], support, query)
        (tmp_path / "elsewhere").mkdir()
        shutil.copy(aside, tmp_path / "elsewhere" / texts.name)
        found = metabench.predict(folders["tfidf"], support, query, data_root=tmp_path / "elsewhere")
        assert found["prediction"].tolist() == ["a"]
    finally:
        aside.rename(texts)


def test_a_vocabulary_may_be_that_of_the_weights_that_the_run_began_with(texts: Path, tmp_path: Path) -> None:
    lines = "taban taban sogus\nlufin medor taban\nkeban sodor lugus\n"
    (tmp_path / "lines.txt").write_text(lines * 5)
    weights, options = tmp_path / "encoder.safetensors", {"steps": 1, "batch_size": 4, "backbone": "bert-tiny"}
    metabench.pretrain("masked-text", output=weights, text=(tmp_path / "lines.txt",), vocabulary=100, options=options)
    begun = {"steps": 0, "train_ways": 4, "backbone": "bert-tiny", "weights": str(weights)}
    settings = {"dataset": f"csv:{texts}", "ways": 3, "shots": 2, "options": begun, **QUICK}
    folder = tmp_path / metabench.run(learner="protonet", **settings, output=tmp_path).id
    support, query = {"a": ["taban medor"], "b": ["sogus lufin"]}, "taban medor"
    aside = texts.rename(tmp_path / "aside.csv")
    try:
        found = metabench.predict(folder, support, query)
        assert found["prediction"].tolist() == ["a"]
        moved = weights.rename(tmp_path / "moved.safetensors")
        with pytest.raises(UsageError, match="which are not here; give the file by --weights"):
            metabench.predict(folder, support, query)
        pd.testing.assert_frame_equal(metabench.predict(folder, support, query, weights=moved), found)
    finally:
        aside.rename(texts)


def test_queries_are_asked_in_parts_of_any_size() -> None:
    bank = numbered_bank((2, 1, 7))
    task = GivenTask(bank, torch.device("cpu"), at_once=3)
    batches = [task.batch([number]) for number in range(len(task))]
    assert [batch.query.flatten().tolist() for batch in batches] == [[3, 4, 5], [6, 7, 8], [9]]
    for batch in batches:
        assert (batch.support.flatten().tolist(), batch.support_labels.tolist()) == ([0, 1, 2], [[0, 0, 1]])
        assert batch.ways == 2


def test_a_transductive_learner_sees_all_queries_together(
    of_pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_trained(of_pictures, "cpu")
    support, queries = task_as_pictures(run, 0, tmp_path)
    seen = []
    original = type(run.learner).classify

    def classify(self: Any, episodes: EpisodeBatch) -> torch.Tensor:
        seen.append(episodes.query.shape[1])
        return original(self, episodes)

    monkeypatch.setattr(type(run.learner), "classify", classify)
    monkeypatch.setattr("metabench.rerun.predict.ITEMS_AT_ONCE", 5)
    apart = metabench.predict(of_pictures, support, queries)
    monkeypatch.setattr(type(run.learner), "transductive", True)
    together = metabench.predict(of_pictures, support, queries)
    assert seen == [5, 5, 2, 12]
    pd.testing.assert_frame_equal(apart, together)


def said(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line of an error of the command."""
    with pytest.raises(SystemExit) as ended:
        main(["predict", *map(str, arguments)])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    (line,) = captured.err.splitlines()
    return line


def test_what_is_wrong_with_pictures_is_said(
    of_pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = load_trained(of_pictures, "cpu")
    support, queries = task_as_pictures(run, 0, tmp_path)
    first = sorted(support.iterdir())[0]
    alone = tmp_path / "alone"
    shutil.copytree(first, alone / first.name)
    assert f"--support '{alone}' has one class, '{first.name}'" in said(
        [of_pictures, "--support", alone, queries[0]], capsys
    )
    (support / "empty").mkdir()
    assert "found no picture in empty" in said([of_pictures, "--support", support, queries[0]], capsys)
    (support / "empty").rmdir()
    missing = tmp_path / "missing.png"
    assert f"there is no picture or folder '{missing}'" in said(
        [of_pictures, "--support", support, queries[0], missing], capsys
    )
    missing.write_text("not a picture")
    assert "its content is not a picture" in said([of_pictures, "--support", support, missing], capsys)
    assert f"--support '{missing}': it is a file, and the run is of pictures" in said(
        [of_pictures, "--support", missing, queries[0]], capsys
    )
    (tmp_path / "none").mkdir()
    assert "there are no pictures in" in said([of_pictures, "--support", support, tmp_path / "none"], capsys)
    for given in (np.zeros((8, 8)), 3):
        with pytest.raises(UsageError, match=r"type (ndarray|int)"):
            metabench.predict(of_pictures, support, given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a picture is of type ndarray; give the path of its file"):
        metabench.predict(of_pictures, {"a": [np.zeros((8, 8))], "b": [queries[0]]}, queries[0])
    assert "there are no queries; give them as arguments" in said([of_pictures, "--support", support], capsys)
    both = [of_pictures, "--support", support, queries[0], "--queries", tmp_path / "queries"]
    assert "not both ways" in said(both, capsys)
    assert "did not begin with weights of a file; leave --weights out" in said(
        [of_pictures, "--support", support, queries[0], "--weights", missing], capsys
    )
    copied = tmp_path / "copied"
    shutil.copytree(of_pictures, copied)
    (copied / "learner.pt").unlink()
    assert "there is no trained learner in" in said([copied, "--support", support, queries[0]], capsys)
    write_run(tmp_path / "waves", np.ones(3), dataset="sinusoid")
    assert "is a regression, which predicts numbers" in said(
        [tmp_path / "waves", "--support", support, queries[0]], capsys
    )


def test_what_is_wrong_with_texts_is_said(
    of_texts: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = of_texts("tfidf")
    columns = written(tmp_path / "columns.csv", [("taban", "a")], "sentence", "kind")
    assert "has no column 'text': found columns 'sentence', 'kind'" in said([folder, "--support", columns, "a"], capsys)
    support = written(tmp_path / "support.csv", [("taban", "a"), ("medor", "b")], "text", "label")
    assert f"the query '{columns}' is a file; give it by --queries" in said(
        [folder, "--support", support, columns], capsys
    )
    assert "the query 'no.txt' is the name of a file that is not there" in said(
        [folder, "--support", support, "no.txt"], capsys
    )
    assert "has no column 'text'" in said([folder, "--support", support, "--queries", columns], capsys)
    missing = tmp_path / "missing.csv"
    for option, arguments in (
        ("--queries", ["--support", support, "--queries", missing]),
        ("--support", ["--support", missing, "a"]),
    ):
        assert f"{option} '{missing}': there is nothing of that name" in said([folder, *arguments], capsys)
    (tmp_path / "empty.txt").write_text("\n \n")
    assert "has no queries" in said([folder, "--support", support, "--queries", tmp_path / "empty.txt"], capsys)
    assert "is a folder; give texts, or a file of them" in said([folder, "--support", support, tmp_path], capsys)
    pairs = written(tmp_path / "pairs.csv", [("taban", "b", "a"), ("medor", "c", "b")], "text", "text_b", "label")
    assert "some texts are pairs (with text_b) and others are not" in said([folder, "--support", pairs, "a"], capsys)
    alone = written(tmp_path / "alone.csv", [("taban", "a"), ("medor", "a")], "text", "label")
    assert "has one class, 'a'" in said([folder, "--support", alone, "a"], capsys)
    bare = written(tmp_path / "bare.csv", [], "text", "label")
    assert f"--support '{bare}' has no texts; give it examples" in said([folder, "--support", bare, "a"], capsys)
    with pytest.raises(UsageError, match="the support has no examples"):
        metabench.predict(folder, {}, "a")
    with pytest.raises(UsageError, match="class 'b' has no examples"):
        metabench.predict(folder, {"a": ["taban"], "b": []}, "a")
    with pytest.raises(UsageError, match="class 'a' must have a list; found 'taban'"):
        metabench.predict(folder, {"a": "taban", "b": ["medor"]}, "a")
    with pytest.raises(UsageError, match="there are no queries"):
        metabench.predict(folder, support, [])
    with pytest.raises((UsageError, DataError), match=r"line 3.*empty query"):
        metabench.predict(folder, support, written(tmp_path / "gap.csv", [("a",), (" ",)], "text"))


def test_a_learner_of_fixed_ways_takes_as_many_classes_as_its_run(tmp_path: Path) -> None:
    options = {"steps": 1, "backbone": "conv4:8", "meta_batch": 1, "test_inner_steps": 1}
    record = metabench.run(learner="maml", ways=3, shots=1, options=options, output=tmp_path, **QUICK)
    folder = tmp_path / record.id
    run = load_trained(folder, "cpu")
    support = {name: [picture(run, row, tmp_path / f"{row}.png")] for name, row in (("a", 0), ("b", 45), ("c", 90))}
    query = picture(run, 1, tmp_path / "query.png")
    assert len(metabench.predict(folder, support, query)) == 1
    del support["c"]
    only = "learner 'maml' of '[^']+' classifies tasks of 3 ways and no others, and the support has 2 classes; give 3"
    with pytest.raises(UsageError, match=only):
        metabench.predict(folder, support, query)


def test_the_command_prints_a_table_that_is_harmless_and_fits(
    of_texts: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    folder = of_texts("tfidf")
    rows = [("taban", "a \N{RIGHT-TO-LEFT OVERRIDE}b" + "long" * 30), ("medor", "c")]
    support = written(tmp_path / "support.csv", rows, "text", "label")
    hostile = ["taban \N{RIGHT-TO-LEFT OVERRIDE}\x1b[31mred", "medor " + "long " * 40, "taban" + "\u0301" * 50]
    with pytest.raises(SystemExit) as ended:
        main(["predict", str(folder), "--support", str(support), *hostile])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    assert max(map(len, printed.splitlines())) <= 64  # and at most four combining characters
    assert len(printed.splitlines()) == 4
    with pytest.raises(SystemExit):
        main(["predict", str(folder), "--support", str(support), "--json", "medor", "taban"])
    found = json.loads(capsys.readouterr().out)
    assert found == metabench.predict(folder, support, ["medor", "taban"]).to_dict("records")
    assert [row["prediction"][0] for row in found] == ["c", "a"]
