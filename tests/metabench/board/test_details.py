"""What a row of the page opens."""

from typing import Any

import numpy as np
import pytest

from metabench.board.details import MOST_POINTS, MOST_RUNS, MOST_STAGES, details
from metabench.board.rows import Run, entries
from metabench.records.record import Training
from tests.made_records import WEIGHTS, make_record, selection
from tests.made_rows import curve, make_row


def test_a_long_curve_keeps_its_ends_and_an_even_share_between() -> None:
    training = curve(*((step, 1 / step, step / 1000) for step in range(1, 1001)))
    ((stage, points),) = details(make_row("a", 50, 49, 51, training=training), None)["runs"][0]["curves"]
    assert stage == "train"
    assert len(points) == MOST_POINTS
    steps = [step for step, _, _ in points]
    assert (steps[0], steps[-1]) == (1, 1000)
    assert np.diff(steps) == pytest.approx(999 / (MOST_POINTS - 1), abs=1)
    assert [(loss, value) for _, loss, value in points] == [
        (pytest.approx(1 / step, rel=1e-4), pytest.approx(step / 1000)) for step in steps
    ]


def test_a_short_curve_is_kept_whole() -> None:
    training = curve((1, 2.0, 0.5), (5, 1.0, 0.6), (9, 0.5, 0.7))
    (run,) = details(make_row("a", 50, 49, 51, training=training), None)["runs"]
    assert run["curves"] == [["train", [[1, 2.0, 0.5], [5, 1.0, 0.6], [9, 0.5, 0.7]]]]


def test_of_many_runs_the_newest_are_shown() -> None:
    of_tasks = np.array([0.5, 0.6])
    runs = [
        Run(make_record(of_tasks, id=f"run{day}", seed=day, created=f"2026-01-{day:02}T00:00:00+00:00"), of_tasks)
        for day in range(1, 26)
    ]
    (row,) = entries(runs[::-1])
    opened = details(row, None)
    assert [run["id"] for run in opened["runs"]] == [f"run{day}" for day in range(26 - MOST_RUNS, 26)]
    assert opened["hidden"] == 25 - MOST_RUNS


def test_what_a_curve_says_that_is_no_figure_is_left_out() -> None:
    rows: list[dict[str, Any]] = [
        {"stage": "a", "step": 1, "loss": float("inf"), "validation_accuracy": "0.5"},
        {"stage": "a", "step": "2", "loss": 1.0},
        {"stage": "a", "step": True, "loss": 1.0},
        {"stage": "a", "step": 3, "loss": 1e200},
        *({"stage": f"stage{number}", "step": 1} for number in range(20)),
    ]
    training = Training(curve=rows, best={}, seconds=1.0, images=1)
    (run,) = details(make_row("a", 50, 49, 51, training=training), None)["runs"]
    assert run["curves"][0] == ["a", [[1.0, None, None], [3.0, None, None]]]
    assert len(run["curves"]) == MOST_STAGES


def test_a_setting_that_has_no_default_is_not_said_to_differ_from_it() -> None:
    resolved = {"episodes": 4, "device": "cpu", "precision": "float32", "threads": 2, "image_size": 28}
    row = make_row("protonet", 50, 49, 51, seed=3, **resolved)
    tagged = {name for name, _, changed in details(row, None)["settings"] if changed}
    assert tagged == {"seed"}


def test_intervals_of_runs_are_the_records_ends_where_it_has_them() -> None:
    of_tasks = np.array([0.5, 0.6])
    record = make_record(of_tasks)
    (row,) = entries([Run(record, of_tasks)])
    (old,) = details(row, None)["runs"]
    assert (old["low"], old["high"]) == pytest.approx((54, 56))
    score = record.score.model_copy(update={"low": 0.5, "high": 0.57})
    (row,) = entries([Run(record.model_copy(update={"score": score}), of_tasks)])
    (new,) = details(row, None)["runs"]
    assert (new["low"], new["high"]) == pytest.approx((50, 57))


def test_a_record_that_began_with_weights_says_what_they_have_read() -> None:
    facts = dict(details(make_row("a", 50, 49, 51, weights=WEIGHTS), None)["facts"])
    assert facts["Pre-trained"] == "masked-text, then simcse on clinc150: 12,345 texts, none of the test"
    assert "Pre-trained" not in dict(details(make_row("a", 50, 49, 51), None)["facts"])


def test_a_row_tells_what_was_tried() -> None:
    chosen = selection(s1=0.5, s3=0.75, s5=None)
    row = make_row("maml", 50, 49, 51, options={"inner_steps": 3}, selection=chosen)
    facts = dict(details(row)["facts"])
    assert facts["Chosen"] == "inner_steps 3 from 3 of 4 on 60 validation tasks"
    assert facts["Search"] == "90.0 s, 60.0 s of processor time"
    assert facts["Tries"] == "inner_steps 1 50.00%; inner_steps 3 75.00%; inner_steps 5 not finite"
    assert not {"Chosen", "Search", "Tries"} & dict(details(make_row("maml", 50, 49, 51))["facts"]).keys()
