"""Paired differences as `metabench compare` has them, and two or three rows side by side in a real Chromium."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from metabench.board import pairs
from metabench.board.pairs import paired_differences
from metabench.board.rows import Entry, Run, entries
from metabench.records.runs import read_runs
from metabench.reports.contest import compare
from tests.conftest import PROJECT
from tests.made_records import UNTRAINED, make_record
from tests.made_rows import opened

MINUS = "\N{MINUS SIGN}"
RECORDS = PROJECT / "results" / "reference"


def test_they_are_what_compare_says() -> None:
    runs = [run for run in read_runs(RECORDS)[0] if run.record.id.startswith("glyphs-")]
    rows = entries(runs)
    found = {(one, two): values for one, two, *values in paired_differences(rows)}
    checked = 0
    for (one, two), (mean, low, high, p_value, over_seeds) in found.items():
        if one > 4:
            break
        folders = [run.folder for entry in (rows[one], rows[two]) for run in entry.runs if run.folder]
        row = compare(*folders).iloc[0]
        assert [mean, low, high] == pytest.approx([row.difference, row.low, row.high], rel=1e-4)
        assert p_value == pytest.approx(row.p_value, rel=0.06)
        assert (row.covers == "seeds and tasks") == over_seeds
        checked += 1
    assert checked == 15
    assert len(found) == 3 * 15


GENERATOR = np.random.default_rng(0)


def entry_rows() -> list[Entry]:
    """Three learners on one task, of two seeds or none, and one on another."""
    base = GENERATOR.uniform(0.4, 0.8, 40)
    runs = [
        Run(make_record(tasks, learner=learner, seed=seed, id=f"{learner}{seed}", **changes), tasks)
        for learner, gain, changes in (
            ("protonet", 0.1, {"options": {"steps": 7}}),
            ("maml", 0.0, {"options": {"steps": 9}}),
            ("nearest", -0.2, UNTRAINED),
        )
        for seed in (0, 1)
        for tasks in [base + gain + GENERATOR.normal(0, 0.01, 40)]
    ]
    other = Run(make_record(base, learner="maml", shots=5), base)
    return entries([*runs, other])


def test_rows_with_few_tasks_in_common_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = entry_rows()
    assert [pair[:2] for pair in paired_differences(rows)] == [(0, 1), (0, 2), (1, 2)]
    monkeypatch.setattr(pairs, "FEWEST_SHARED", 41)
    assert paired_differences(rows) == []
    monkeypatch.undo()
    monkeypatch.setattr(pairs, "MOST_PAIRS", 2)
    assert [pair[:2] for pair in paired_differences(rows)] == [(0, 1)]


def test_two_or_three_rows_stand_side_by_side(browser: Browser, tmp_path: Path) -> None:
    rows = entry_rows()
    with opened(browser, tmp_path, rows) as shown:
        boxes = shown.locator("#table .pick")
        boxes.nth(1).check()
        assert shown.locator("#picked").is_visible()
        assert shown.locator("#picked-show").is_disabled()
        boxes.nth(0).check()
        assert shown.locator("#table tr.opened").count() == 0
        shown.locator("#picked-show").click()
        mean, low, high, p_value, _ = paired_differences(rows)[0][2:]
        (line,) = shown.locator("#side .pairs dd").all_inner_texts()
        expected = f"{MINUS}{mean:.2f} ({MINUS}{high:.2f} to {MINUS}{low:.2f}), p "
        assert line.startswith(expected)  # maml less protonet: they were picked in that order
        assert line.endswith("over seeds and tasks")
        assert f"{p_value:g}" in line or "< 0.0001" in line
        table = {
            cells[0]: cells[1:]
            for cells in shown.locator("#side tbody tr").evaluate_all(
                "all => all.map(row => [...row.children].map(cell => cell.innerText))"
            )
        }
        assert table["steps"] == ["9", "7"]
        assert "learner" in table
        assert "dataset" not in table  # it does not differ
        boxes.nth(3).check()
        assert boxes.nth(2).is_disabled()
        assert shown.locator("#side .pairs dd").all_inner_texts()[1:] == ["on other tasks: these do not compare"] * 2
        shown.reload()
        assert shown.locator("#side thead strong").all_inner_texts() == ["maml", "protonet", "maml"]
        for width in (1280, 390):
            shown.set_viewport_size({"width": width, "height": 844})
            assert shown.evaluate("document.documentElement.scrollWidth") == width
        shown.locator("#picked-clear").click()
        assert shown.locator("#side").is_hidden()
        assert "pick" not in shown.evaluate("location.hash")
