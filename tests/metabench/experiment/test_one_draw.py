"""All-way tasks of which there is one, since all labelled items are its support: its interval is over its queries."""

import re
from pathlib import Path
from typing import Any

import pytest
from statsmodels.stats.proportion import proportion_confint

import metabench
from metabench.board.rows import leaderboard, read_entries
from metabench.board.text import printable
from metabench.config import make_config
from metabench.errors import UsageError
from metabench.experiment.data import load_data
from metabench.records.record import RunRecord
from metabench.reports.contest import compare
from metabench.reports.summary import summary
from metabench.rerun.curve import curve
from metabench.rerun.verify import verify
from metabench.stats.intervals import QUERIES

WORDS = {"a": "apple pear plum", "b": "bolt nut screw", "c": "cat dog plum"}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three texts to learn from and four queries of each class, of which some look like another class."""
    path = tmp_path_factory.mktemp("one") / "made.csv"
    rows = [
        f"{split} {label} {word},{label},{split}"
        for label, words in WORDS.items()
        for split in ("train", "test")
        for word in words.split()
    ]
    rows += [f"test {other} plum plum,{label},test" for label, other in zip("abc", "bca", strict=True)]
    path.write_text("text,label,split\n" + "\n".join(rows) + "\n")
    return path


def run(table: Path, output: Path, **settings: Any) -> RunRecord:
    asked = {"learner": "tfidf", "dataset": f"csv:{table}", "task": "all-way", "validation_episodes": 2}
    return metabench.run(**{**asked, "output": output, **settings})


@pytest.fixture(scope="module")
def records(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunRecord, RunRecord]:
    output = tmp_path_factory.mktemp("runs")
    first = run(table, output, shots=3)
    return output, first, run(table, output, shots=3, options={"head": "logistic"})


def test_the_interval_is_wilsons_over_the_queries(records: tuple[Path, RunRecord, RunRecord]) -> None:
    output, record, _ = records
    score = record.score
    assert (record.config.test.episodes, record.floors["chance"].episodes) == (1, 1)
    assert 0 < score.mean < 1
    ends = proportion_confint(round(12 * score.mean), 12, method="wilson")
    assert (score.low, score.high) == pytest.approx(ends)
    assert score.covers == QUERIES
    assert record.floors["tfidf"].half_width == pytest.approx(max(score.mean - ends[0], ends[1] - score.mean))
    assert "over the queries of its one test task)" in summary(record)
    assert "worst 5%" not in summary(record)
    assert not verify(output / record.id).problems


def test_the_leaderboard_has_that_interval_and_no_rank(records: tuple[Path, RunRecord, RunRecord]) -> None:
    output, record, _ = records
    rows = leaderboard(output)
    assert rows["interval_over"].tolist() == ["queries", "queries"]
    assert rows["rank_low"].isna().all()
    assert rows["tasks_half_width"].isna().all()
    row = rows[~rows["settings"].str.contains("head")].iloc[0]
    assert record.score.low is not None
    assert (row["low"], row["episodes"]) == (round(100 * record.score.low, 2), 1)
    text = printable(read_entries(output, reference=False)[0], 100)
    assert re.search(rf"^ *- {100 * record.score.mean:.2f} -\S+ \+\S+q", text, re.M)
    assert "of a single task over its queries (q), and without a rank" in " ".join(text.split())


def test_two_such_runs_are_not_compared(records: tuple[Path, RunRecord, RunRecord]) -> None:
    output, first, second = records
    with pytest.raises(
        UsageError, match="have one test task, and learners are compared over the tasks that they share"
    ):
        compare(output / first.id, output / second.id)


def test_a_curve_has_draws_of_fewer_shots(records: tuple[Path, RunRecord, RunRecord]) -> None:
    output, record, _ = records
    points = curve(output / record.id, shots=(1, 3)).query("not floor").set_index("shots")
    assert points["episodes"].to_dict() == {1: 10, 3: 1}
    assert points.loc[3, "accuracy"] == pytest.approx(100 * record.score.mean, abs=0.01)
    assert record.score.low is not None
    assert points.loc[3, "low"] == pytest.approx(100 * record.score.low, abs=0.01)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"shots": 3, "episodes": 2},
            "--episodes 2 is too many: 'csv:made.csv' has 3 training texts per class, all in",
        ),
        ({"shots": 3, "test_seed": 1}, "--test-seed 1 draws nothing else: 'csv:made.csv' has 3 training texts per"),
        ({"shots": 3, "until_interval": 1}, "--until-interval 1 takes more tasks: 'csv:made.csv' has 3 training"),
        ({"shots": 2, "episodes": 1}, "--episodes 1 gives no interval over test tasks; give at least 2"),
        ({"shots": 3, "split": "few-shot-5"}, "--task all-way does not go with --split few-shot-5; leave it out"),
        ({"dataset": "banking77", "split": "fewshot-5"}, "go with --split fewshot-5; did you mean 'few-shot-5'"),
        ({"dataset": "clinc150", "split": "oos"}, "--split oos; leave it out, or give few-shot-5 or few-shot-10"),
    ],
)
def test_what_one_task_does_not_go_with_is_refused(
    settings: dict[str, Any], says: str, table: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says):
        run(table, tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_a_fixed_draw_sets_the_shots_unless_others_are_given(data_root: Path) -> None:
    asked = {"dataset": "banking77", "task": "all-way", "split": "few-shot-10", "data_root": data_root}
    assert load_data(make_config(**asked))[0].numbers == {"ways": 77, "shots": 10}
    assert load_data(make_config(**asked, shots=3))[0].numbers == {"ways": 77, "shots": 3}
