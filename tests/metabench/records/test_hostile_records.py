"""Records that are half written, foreign, old, enormous or hostile: refused by name, or harmless."""

import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metabench.board.page import page
from metabench.board.rows import entries
from metabench.board.text import csv, markdown
from metabench.cli.main import main
from metabench.records.runs import read_runs
from tests.made_records import UNTRAINED, WEIGHTS, edit_record, write_run

GOOD = np.array([0.5, 0.75, 0.25, 1.0])


def edit(**changes: Any) -> Callable[[Path], None]:
    return partial(edit_record, **changes)


def table(text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / "scores.csv").write_text(text) and None


def pipe(folder: Path) -> None:
    (folder / "record.json").unlink()
    os.mkfifo(folder / "record.json")


def cut(folder: Path) -> None:
    path = folder / "record.json"
    path.write_bytes(path.read_bytes()[:-40])


def large(name: str, megabytes: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.truncate(megabytes << 20)  # sparse: takes no room on the disk

    return change


REFUSED = {
    "half-written": (cut, "is not a valid record: Invalid JSON"),
    "empty": (lambda folder: (folder / "record.json").write_bytes(b""), "is not a valid record"),
    "not text": (lambda folder: (folder / "record.json").write_bytes(b"\xff\xfe\0"), "is not a valid record"),
    "foreign": (lambda folder: (folder / "record.json").write_text('{"name": "vinyl"}'), "is not a valid record: "),
    "a list": (lambda folder: (folder / "record.json").write_text("[1]"), "is not a valid record"),
    "deep": (lambda folder: (folder / "record.json").write_text("[" * 100_000), "is not a valid record"),
    "old schema": (
        edit(schema_version=0),
        "is not a valid record: it has schema version 0, and this metabench reads ",
    ),
    "a pipe": (pipe, "cannot read record '.*': it is no file"),
    "a folder": (lambda folder: ((folder / "scores.csv").unlink(), (folder / "scores.csv").mkdir()), "no file"),
    "enormous record": (large("record.json", 33), "it has more than 32 MiB"),
    "enormous table": (large("scores.csv", 513), "it has more than 512 MiB"),
    "NaN accuracy": (
        table("episode,learner\n0,0.5\n1,nan\n2,0.25\n3,1\n"),
        "has nan for task 1, which is not a valid accuracy",
    ),
    "infinite": (
        table("episode,learner\n0,0.5\n1,0.75\n2,0.25\n3,-inf\n"),
        "has -inf for task 3, which is not a valid accuracy",
    ),
    "above one": (
        table("episode,learner\n0,0.5\n1,1.5\n2,0.25\n3,0.25\n"),
        "has 1.5 for task 1, which is not a valid accuracy",
    ),
    "NaN score": (edit(score__mean=float("nan")), "score.mean"),
    "NaN time": (edit(score__task_milliseconds=float("nan")), "score.task_milliseconds"),
    "endless time": (edit(training__seconds=1e300), "training.seconds"),
    "negative": (edit(score__parameters=-1), "score.parameters"),
    "huge number": (edit(training__images=10**400), "training.images"),
    "huge shots": (edit(config__task__shots=10**20), "config.task.shots"),
    "no ways": (edit(config__task__ways=0), "config: --ways 0 is too small"),
    "negative shots": (edit(config__task__shots=-3), "config: --shots -3 is too small"),
    "duplicated tasks": (table("episode,learner\n0,0.5\n1,0.75\n1,0.25\n2,1\n"), "its episodes are not 0 to 4 - 1"),
    "other tasks": (table("episode,learner\n0,0.5\n"), "its episodes are not 0 to 4 - 1"),
    "no rows": (table("episode,learner\n"), "it has no rows"),
    "no column": (table("episode,teacher\n0,0.5\n"), "it has no column 'learner'"),
    "words": (table("episode,learner\n0,=1+1\n"), "cannot read"),
    "ragged": (table("episode,learner\n0,0.5\n1\n"), "cannot read"),
    "weights that have read the test": (
        edit(schema_version=6, weights={**json.loads(WEIGHTS.model_dump_json()), "test_classes": "yes"}),
        "weights.test_classes is not 'no'",
    ),
    "another test_classes": (edit(test_classes="perhaps"), "test_classes: Input should be 'yes', 'no' or 'unknown'"),
    "no date": (edit(created="</script>"), "created: no time with its zone"),
    "unknown field": (edit(surprise="\x1b[2J"), "surprise"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_it_is_refused_by_name_and_the_others_are_ranked(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path / "good", GOOD, learner="good")
    write_run(tmp_path / "bad", GOOD, learner="bad")
    damage, message = REFUSED[how]
    damage(tmp_path / "bad")
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "--results", str(tmp_path), "--html", str(tmp_path / "page.html")])
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert "62.50 -" in printed.out
    assert '"learner":"good"' in (tmp_path / "page.html").read_text()
    (line,) = printed.err.splitlines()
    assert line.isprintable()
    assert str(tmp_path / "bad") in line
    assert re.search(message, line), line


HARMLESS: dict[str, Callable[[Path], None]] = {
    "curve of anything": edit(
        training__curve=[{"stage": [1], "step": "x"}, {"step": 1e308, "loss": None}, {}, {"step": True}]
    ),
    "environment of anything": edit(environment={"device": {"a": ["<b>"]}, "packages": 7, "threads": None}),
    "long name": edit(config__learner="x" * 1_000_000),
    "deep options": edit(config__options={"a": json.loads("[" * 100 + "]" * 100)}),
    "no names": edit(config__learner="", dataset__name="", dataset__split=""),
    "most": edit(config__task__ways=2**31 - 1, config__task__shots=2**31 - 1, score__parameters=2**53 - 1),
}


@pytest.mark.parametrize("value", ["inf", "nan", "1e200", "-1"])
def test_an_error_that_is_none_is_refused_too(value: str, tmp_path: Path) -> None:
    write_run(tmp_path / "good", GOOD, dataset="sinusoid")
    write_run(tmp_path / "bad", GOOD, dataset="sinusoid")
    table(f"episode,learner\n0,0.5\n1,{value}\n2,0.25\n3,1\n")(tmp_path / "bad")
    runs, (problem,) = read_runs(tmp_path)
    assert len(runs) == 1
    assert "for task 1, which is not a valid mean squared error" in problem


@pytest.mark.parametrize("how", HARMLESS)
def test_it_is_shown_harmless(how: str, tmp_path: Path) -> None:
    write_run(tmp_path / "good", GOOD)
    write_run(tmp_path / "odd", GOOD, learner="odd")
    HARMLESS[how](tmp_path / "odd")
    runs, problems = read_runs(tmp_path)
    assert problems == []
    rows = entries(runs)
    assert len(rows) == 2
    for text in (page(rows), csv(rows), markdown(rows)):
        assert len(text) < 200_000
    assert "<b>" not in page(rows) + markdown(rows)
    assert page(rows).count("</script>") == 5


def test_a_million_tasks_are_ranked_and_the_page_stays_small(tmp_path: Path) -> None:
    write_run(tmp_path / "good", np.tile(GOOD, 3), learner="good", **UNTRAINED)
    path = write_run(tmp_path / "large", np.tile(GOOD, 250_000), learner="large", **UNTRAINED)
    assert path.with_name("scores.csv").stat().st_size > 8_000_000
    runs, problems = read_runs(tmp_path)
    assert problems == []
    rows = entries(runs)
    assert {entry.values.learner: entry.values.episodes for entry in rows} == {"good": 12, "large": 1_000_000}
    assert [str(entry.rank) for entry in rows] == ["1-2", "1-2"]
    assert len(page(rows)) < 200_000


def test_two_records_of_one_id_are_two_rows_each_with_its_own_picture(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        path = write_run(tmp_path / name / "same", GOOD, learner=name)
        assert json.loads(path.read_text())["id"] == "same"
    rows = entries(read_runs(tmp_path)[0])
    assert {entry.runs[-1].folder for entry in rows} == {tmp_path / "ours" / "same", tmp_path / "theirs" / "same"}
    assert page(rows).count('"id":"same"') == 2
