"""Records from elsewhere, beside one's own."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metabench.board.page import page
from metabench.board.rows import entries, frame
from metabench.board.text import markdown
from metabench.cli.main import main
from metabench.errors import RunError, UsageError
from metabench.records.provenance import VERIFIED_FILE, mark
from metabench.records.runs import read_runs
from metabench.records.submissions import add_records
from tests.made_records import UNTRAINED, write_run

TASKS = np.random.default_rng(0).integers(0, 76, 50) / 75


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_run(tmp_path / "results" / "own", 0.9 * TASKS, learner="mine", **UNTRAINED)
    return tmp_path / "results"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A run that is better on each task, one of the same learner, seed and day as ours, and things beside them."""
    folder = tmp_path / "theirs"
    write_run(folder / "a" / "better", TASKS, learner="other", **UNTRAINED)
    write_run(folder / "same", 0.8 * TASKS, learner="mine", **UNTRAINED)
    (folder / "same" / "learner.pt").write_bytes(b"weights")
    (folder / "same" / "virus.sh").write_text("rm")
    mark(folder / "same", VERIFIED_FILE)
    return folder


def table_of(results: Path) -> pd.DataFrame:
    runs, problems = read_runs(results)
    assert not problems
    return frame(entries(runs))


def test_what_is_added_stands_beside_ones_own_without_a_rank(theirs: Path, results: Path) -> None:
    done = add_records(theirs, results)
    assert [folder.relative_to(results) for folder in done.folders] == [
        Path("added/theirs/better"),
        Path("added/theirs/same"),
    ]
    table = table_of(results)
    assert table["learner"].tolist() == ["other", "mine", "mine"]
    assert table["origin"].tolist() == ["unverified", "own", "unverified"]
    assert table["rank_low"].astype("string").fillna("").tolist() == ["", "1", ""]


def test_once_verified_it_is_ranked(theirs: Path, results: Path) -> None:
    for folder in add_records(theirs, results).folders:
        mark(folder, VERIFIED_FILE)
    table = table_of(results)
    assert table["learner"].tolist() == ["other", "mine"]  # of one seed the newest run alone holds
    assert table["origin"].tolist()[0] == "verified"
    assert table["rank_low"].tolist() == [1, 2]


def test_only_the_files_of_a_run_are_taken_and_no_word_of_theirs_that_it_is_verified(
    theirs: Path, results: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("mine")
    (theirs / "same" / "hardest.png").symlink_to(tmp_path / "secret")
    _, same = add_records(theirs, results).folders
    assert {path.name for path in same.iterdir()} == {"record.json", "scores.csv", "learner.pt", "added.json"}
    assert {path.name for path in same.parent.iterdir()} == {"better", "same"}


def test_what_is_there_is_not_added_again_and_no_record_replaces_another(theirs: Path, results: Path) -> None:
    shutil.copytree(results / "own", theirs / "mine-again")
    assert add_records(theirs, results).known == 1
    again = add_records(theirs, results)
    assert (again.known, again.folders) == (3, [])
    shutil.rmtree(theirs / "same")
    write_run(theirs / "same", 0.7 * TASKS, learner="mine", **UNTRAINED)
    assert [folder.name for folder in add_records(theirs, results).folders] == ["same-2"]


def test_a_record_that_is_not_valid_is_named_and_not_copied(
    theirs: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (theirs / "same" / "record.json").write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "--results", str(results), "--add", str(theirs)])
    printed = capsys.readouterr()
    assert ended.value.code == 1
    assert f"added records of '{theirs}' to '{results}': 1 unverified" in printed.out
    assert "unverified]" in printed.out
    (line,) = printed.err.splitlines()
    assert "same/record.json' is not a valid record: " in line
    assert not (results / "added" / "theirs" / "same").exists()
    for record in theirs.rglob("record.json"):
        record.write_text("{}")
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", "--results", str(results / "none"), "--add", str(theirs)])
    assert ended.value.code == 1
    assert len(capsys.readouterr().err.splitlines()) == len(list(theirs.rglob("record.json")))


@pytest.mark.parametrize("name", ["record.json", "scores.csv", "learner.pt"])
def test_a_run_of_links_is_not_taken(theirs: Path, results: Path, tmp_path: Path, name: str) -> None:
    """They would lead anywhere, and a copy without them is no run."""
    file = theirs / "same" / name
    file.rename(tmp_path / name)
    file.symlink_to(tmp_path / name)
    done = add_records(theirs, results)
    assert [folder.name for folder in done.folders] == ["better"]
    (problem,) = done.problems
    assert f"same/{name}' is a link, and a run is taken with files of its own" in problem


@pytest.mark.parametrize(
    "command",
    [
        "submit RUN -o RUN/record.json",
        "leaderboard --reference --csv RUN/scores.csv",
        "leaderboard --reference --html RUN/record.json",
        "pretrain simclr -o RUN/learner.pt",
    ],
)
def test_no_command_writes_over_a_runs_own_files(
    theirs: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = theirs / "same"
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(command.replace("RUN", str(run)).split())
    assert ended.value.code == 2
    assert "is a file of a run, which would be lost; name another" in capsys.readouterr().err
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def test_two_tables_do_not_go_to_one_file(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = results / ".." / results.name / "a"
    with pytest.raises(SystemExit):
        main(["leaderboard", "--reference", "--csv", str(results / "a"), "--html", str(other)])
    assert "two of --csv, --markdown, --latex and --html name the same file" in capsys.readouterr().err


def test_page_and_markdown_mark_it(theirs: Path, results: Path) -> None:
    add_records(theirs, results)
    rows = entries(read_runs(results)[0])
    assert markdown(rows).count("unverified |") == 2
    assert page(rows).count('"rank":null') == 2


def test_folders_that_cannot_be_added(theirs: Path, results: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--add: there is no folder"):
        add_records(tmp_path / "nowhere", results)
    with pytest.raises(UsageError, match="lie within each other"):
        add_records(results / "own", results)
    with pytest.raises(UsageError, match="lie within each other"):
        add_records(tmp_path, results)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"there is no record \(record.json\) below"):
        add_records(tmp_path / "empty", results)
    (results / "added").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot copy .*; nothing of it is kept"):
        add_records(theirs, results)
