import io

import numpy as np
import pandas as pd
import pytest

from metabench.board.rows import Entry, entries
from metabench.board.suite import SuiteRow, csv, printable, suite_rows
from metabench.records.runs import Run
from tests.made_records import make_record

SETS = ("first", "second", "third")
MEANS = {"a": (0.9, 0.5, 0.7), "b": (0.8, 0.6, 0.7), "c": (0.1, 0.2, 0.3)}
RANKS = {"a": (1 + 2 + 1.5) / 3, "b": (2 + 1 + 1.5) / 3, "c": 3.0}


def rows_of(means: dict[str, tuple[float, ...]], **changes: object) -> list[Run]:
    """A run of each learner on each set, with these accuracies."""
    made = []
    for learner, values in means.items():
        for name, value in zip(SETS, values, strict=False):
            of_tasks = np.full(20, value)
            record = make_record(of_tasks, dataset=name, test_images=name.encode().hex(), learner=learner, **changes)
            made.append(Run(record, of_tasks))
    return made


def table(rows: list[Entry]) -> list[SuiteRow]:
    boards = {entry.board: entry.values.dataset for entry in rows if entry.values.learner == "a"}
    return suite_rows(rows, boards)


def test_average_ranks_are_those_by_hand_and_equals_share_their_places() -> None:
    made = table(entries(rows_of(MEANS)))
    assert {row.name: row.average_rank for row in made} == pytest.approx(RANKS)
    assert [row.name for row in made] == ["a", "b", "c"]


def test_who_is_not_on_all_sets_has_no_row_and_no_part_in_ranks() -> None:
    made = table(entries(rows_of({**MEANS, "half": (0.95, 0.95)})))
    assert {row.name: row.average_rank for row in made} == pytest.approx(RANKS)


def test_results_that_are_not_verified_have_no_part() -> None:
    theirs = [Run(run.record, run.of_tasks, origin="unverified") for run in rows_of({"theirs": (1.0, 1.0, 1.0)})]
    assert {row.name for row in table(entries([*rows_of(MEANS), *theirs]))} == set(MEANS)


def test_other_settings_are_rows_of_their_own() -> None:
    tuned = rows_of({"a": (0.95, 0.95, 0.95)}, changed_options={"steps": 7})
    made = table(entries([*rows_of(MEANS), *tuned]))
    assert [row.name for row in made] == ["a steps=7", "a", "b", "c"]
    assert made[0].average_rank == 1


def test_on_a_terminal_intervals_go_where_there_is_no_room() -> None:
    made = table(entries(rows_of(MEANS)))
    wide, narrow = (printable(made, SETS, width) for width in (100, 48))
    assert "90.00 ± 0.00" in wide
    assert "±" not in narrow
    for text in (wide, narrow):
        assert text.splitlines()[1].split()[:2] == ["1.50", "70.00"]
        assert "rank: average over 3 sets, by the mean on each" in " ".join(text.split())
    assert max(map(len, narrow.splitlines())) <= 48


def test_five_sets_and_two_learners_have_a_critical_difference() -> None:
    """0.877 for two learners over five sets: 1.96 by the root of 2 x 3 / (6 x 5) (Demšar 2006, table 5)."""
    names = [*SETS, "fourth", "fifth"]
    made = [
        Run(make_record(of_tasks, dataset=name, test_images=name.encode().hex(), learner=learner), of_tasks)
        for learner, value in (("a", 0.5), ("b", 0.6))
        for name in names
        for of_tasks in [np.full(20, value)]
    ]
    rows = entries(made)
    text = printable(table(rows), names, 120)
    assert "closer than 0.88 do not differ significantly" in text


def test_as_csv() -> None:
    read = pd.read_csv(io.StringIO(csv(table(entries(rows_of(MEANS))), SETS)))
    assert read.loc[0, ["learner", "average_rank", "first", "third", "third half_width"]].tolist() == [
        "a", 1.5, 90.0, 70.0, 0.0,
    ]  # fmt: skip
