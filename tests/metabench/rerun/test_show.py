"""Tasks of texts in the terminal and as pages: the record's own predictions."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import metabench
from metabench.cli.main import main
from metabench.cli.options import terminal
from metabench.errors import UsageError
from metabench.records.predictions import read_predictions
from metabench.records.shown import read_shown
from metabench.rerun.load import load_trained
from metabench.texts.terminal import WRONG, Terminal


def recorded(folder: Path, number: int) -> pd.DataFrame:
    scores = pd.read_csv(folder / "scores.csv")["learner"].to_numpy()
    table = read_predictions(folder / "predictions.parquet", scores)
    return table[table["task"] == number]


def test_a_run_of_texts_shows_its_predictions(of_texts: Callable[[str], Path], tmp_path: Path) -> None:
    folder = of_texts("tfidf")
    text = metabench.show(run_folder=folder, episode=3, terminal=Terminal(200))
    table = recorded(folder, 3)
    lines = [line for line in text.splitlines() if re.search(r"\d%  ", line)]
    assert len(lines) == len(table)
    run = load_trained(folder, "cpu")
    drawn = run.test.indices([3])  # type: ignore[attr-defined]
    rows = drawn.query[0][np.argsort(drawn.query_labels[0], kind="stable")]
    # The record has each task class by class, and so has what is shown.
    for line, row, each in zip(lines, rows, table.to_dict("records"), strict=True):
        assert line.split("%  ")[1] == run.dataset.test.text(row)
        assert each["prediction"] in line
        assert float(re.search(r"([\d.]+)%", line)[1]) == pytest.approx(100 * each["confidence"], abs=0.1 + 1e-9)  # type: ignore[index]
        assert (WRONG in line) == (each["prediction"] != each["class"])
    score = 100 * (table["prediction"].astype(str) == table["class"].astype(str)).mean()
    assert f"task 3, tfidf: accuracy {score:.2f}%" in text
    for name in ("task.html", "task.txt"):
        assert metabench.show(tmp_path / name, 3, folder, terminal=Terminal(200)) == text
    assert (tmp_path / "task.txt").read_text().splitlines()[0] == text.splitlines()[0]
    page = (tmp_path / "task.html").read_text()
    assert page.count('class="wrong"') == text.count(f"  {WRONG} ")
    assert "<script" not in page


def test_a_run_of_texts_keeps_its_hardest_tasks(of_texts: Callable[[str], Path]) -> None:
    folder = of_texts("tfidf")
    assert not (folder / "hardest.png").exists()
    tasks = read_shown(folder / "hardest.html")
    assert tasks
    scores = pd.read_csv(folder / "scores.csv")["learner"]
    worst = scores.sort_values(kind="stable").index[:3]
    assert [int(re.search(r"task (\d+)", task.title)[1]) for task in tasks] == list(worst)  # type: ignore[index]
    for number, task in zip(worst, tasks, strict=True):
        table = recorded(folder, number)
        shown = [(query.prediction, query.confidence) for each in task.classes for query in each.queries]
        assert shown == list(zip(table["prediction"], table["confidence"].round(3), strict=True))


def test_a_task_alone_is_printed_in_the_terminals_width(
    texts: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    arguments = ["show", "--dataset", f"csv:{texts}", "--ways", "2", "--shots", "1", "--queries", "2", "--episode", "4"]
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 40
    assert "\x1b" not in printed
    assert printed.count("  support") == 2
    assert WRONG not in printed
    assert (
        printed
        == metabench.show(None, 4, dataset=f"csv:{texts}", ways=2, shots=1, queries=2, terminal=Terminal(40)) + "\n"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "csv:none", "path": "a.png"}, r"-o a.png: tasks of 'csv:none' are texts, .* to .html or .txt"),
        ({"path": "a.html"}, r"-o a.html: tasks of 'glyphs' are no texts, and are drawn to .png, .pdf or .svg"),
        ({"path": "a.doc"}, r"cannot write the picture 'a.doc': its name must end in .png, .pdf or .svg"),
        ({}, r"Missing option '-o' / '--output'. Tasks of 'glyphs' are drawn to .png"),
    ],
)
def test_a_file_of_another_kind_is_refused_before_anything_is_read(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        metabench.show(**settings)


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "123")
    assert terminal() == (123, False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert terminal() == (123, True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal() == (123, False)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert terminal() == (123, False)
