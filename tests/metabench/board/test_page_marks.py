"""The page's marks in a real Chromium: distinguishable without colour, saying what they are; the diagram of ranks."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from metabench.board.page import average_ranks, page
from metabench.board.rows import Run, entries
from tests.made_records import UNTRAINED, make_record
from tests.made_rows import costly, make_row, opened
from tests.read_plots import legend

MARKS = """rows.map(row => {
    const made = mark(row, 0, 0);
    made.classList.remove(look(row).series);
    return made.outerHTML;
})"""


def test_every_row_has_a_mark_of_its_own_without_its_colour(browser: Browser, tmp_path: Path) -> None:
    rows = [
        make_row(f"learner{number}", 50, 49, 51, changed_options={"steps": steps} if steps else {})
        for number in range(12)
        for steps in (0, 10, 20, 30)
    ]
    with opened(browser, tmp_path, rows) as shown:
        assert len(set(shown.evaluate(MARKS))) == len(rows)
        named = legend(shown, "#against-cost")
        assert len(named) == 25
        assert named[-1].startswith("and 24 more")
        shown.locator("#search").fill("steps=20")
        shown.locator("#against-cost .legend li:nth-child(13)").wait_for(state="detached")
        assert legend(shown, "#against-cost") == [f"learner{number} steps=20" for number in range(12)]


def test_a_point_says_what_it_is(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, [make_row("a", 99.25, 98.98, 99.52, 56.58)]) as shown:
        shown.locator("#intervals .mark").first.hover()
        told = "a\n99.25 ± 0.27 %, rank 1\n95% interval 98.98 to 99.52, over tasks\nfloor 56.58\nglyphs, 5-way 1-shot"
        assert shown.locator("#tip").inner_text() == told
        shown.mouse.move(2, 2)
        assert shown.locator("#tip").is_hidden()


def test_a_tap_beside_a_mark_says_what_it_is(browser: Browser, tmp_path: Path) -> None:
    rows = costly(("a", 10, 60), ("b", 200, 70))
    with opened(browser, tmp_path, rows, has_touch=True, viewport={"width": 390, "height": 844}) as shown:
        mark = shown.locator("#against-cost svg[role=group]").locator(".mark").last
        mark.scroll_into_view_if_needed()
        box = mark.bounding_box()
        assert box
        shown.touchscreen.tap(box["x"] + box["width"] / 2 - 14, box["y"] + box["height"] / 2 + 13)
        tip = shown.locator("#tip")
        assert tip.inner_text().startswith("b\n70.00")
        shape = tip.bounding_box()
        assert shape
        assert shape["x"] >= 0
        assert shape["x"] + shape["width"] <= 390
        shown.touchscreen.tap(box["x"] - 100, box["y"] + 60)
        assert tip.is_hidden()


def test_the_keyboard_reads_marks_one_stop_a_plot(browser: Browser, tmp_path: Path) -> None:
    with opened(browser, tmp_path, costly(("a", 10, 60), ("b", 200, 70), ("c", 400, 65))) as shown:
        tip, told = shown.locator("#tip"), "document.activeElement.dataset.tip?.split('\\n')[0]"
        for holder in ("#intervals", "#against-cost"):
            assert shown.locator(f"{holder} svg [data-tip]").count() == 3
            assert shown.locator(f"{holder} svg [tabindex='0']").count() == 1
        shown.locator("#cost").focus()
        shown.keyboard.press("Tab")
        assert tip.inner_text().startswith("a\n60.00")
        assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        for press, learner in [
            ("ArrowRight", "b"),
            ("ArrowDown", "c"),
            ("ArrowRight", "c"),
            ("ArrowLeft", "b"),
            ("End", "c"),
            ("Home", "a"),
        ]:
            shown.keyboard.press(press)
            assert shown.evaluate(told) == learner
            assert tip.inner_text().startswith(f"{learner}\n")
        shown.keyboard.press("Escape")
        assert tip.is_hidden()
        shown.keyboard.press("ArrowRight")
        shown.keyboard.press("Tab")
        assert shown.evaluate(told) is None  # out of the plot
        assert tip.is_hidden()
        shown.keyboard.press("Shift+Tab")
        assert shown.evaluate(told) == "b"  # where it was left


def test_learners_closer_than_the_critical_difference_are_joined(browser: Browser, tmp_path: Path) -> None:
    """Nemenyi's difference (Demšar 2006, section 3.2.2): for 4 learners, 6 datasets 2.569 sqrt(4 * 5 / 36) = 1.915."""
    runs = []
    for place, (dataset, shots) in enumerate((name, 1) for name in ("glyphs", "cub", "fc100", "one", "two", "three")):
        for rank, learner in enumerate(("a", "b", "c", "d") if place else ("b", "a", "c", "d")):
            of_tasks = np.full(10, 0.9 - 0.1 * rank)
            runs.append(
                Run(make_record(of_tasks, dataset=dataset, learner=learner, shots=shots, **UNTRAINED), of_tasks)
            )
    rows = entries(runs)
    ranks = average_ranks(rows)
    assert ranks
    assert (ranks.names, ranks.ranks) == (["a", "b", "c", "d"], [1.167, 1.833, 3.0, 4.0])
    assert ranks.critical_difference == pytest.approx(1.915, abs=0.001)
    (tmp_path / "page.html").write_text(page(rows))
    opened = browser.new_page()
    opened.goto((tmp_path / "page.html").as_uri())
    diagram = opened.locator("#average-ranks svg")
    assert "critical difference 1.91" in (diagram.text_content() or "")
    assert diagram.locator("line.clique").count() == 2  # a, b and c (1.833 apart); c and d
    opened.close()
