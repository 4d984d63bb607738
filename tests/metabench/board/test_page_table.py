"""The page's table in a real Chromium: columns, order, filters and pages."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from metabench.board.rows import entries
from metabench.records.runs import read_runs
from tests.conftest import PROJECT
from tests.made_rows import make_row, opened

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
PAGE_ROWS = 50  # of the table; the others are on its next pages


def learners(shown: Page) -> list[str]:
    return shown.locator("#table .opener .name").all_inner_texts()


def texts(shown: Page, title: str) -> list[str]:
    """What stands in a column of the table."""
    titles = [text.splitlines()[0] for text in shown.locator("#table thead th").all_inner_texts()]
    return shown.locator(f"#table tr.row > :nth-child({titles.index(title) + 1})").all_inner_texts()


def column(shown: Page, title: str) -> list[float]:
    """Its values, of the score the mean."""
    return [float(re.split(f"[±{MINUS}]", text)[0].replace(",", "")) for text in texts(shown, title)]


def sort_by(shown: Page, name: str) -> str | None:
    head = shown.locator("#table thead th", has_text=name)
    head.locator("button").click()
    return head.get_attribute("aria-sort")


def test_the_table_has_the_rows_in_the_order_of_their_ranks(shown: Page) -> None:
    rows = entries(read_runs(PROJECT / "results" / "reference")[0])[:PAGE_ROWS]
    shown.locator("#published").uncheck()
    assert learners(shown) == [entry.values.learner for entry in rows]
    assert texts(shown, "Rank") == [str(entry.rank) if entry.rank else DASH for entry in rows]
    assert column(shown, "Score") == [entry.values.mean for entry in rows]


def test_sorting(shown: Page) -> None:
    assert sort_by(shown, "Parameters") == "ascending"
    assert column(shown, "Parameters") == sorted(column(shown, "Parameters"))
    assert sort_by(shown, "Parameters") == "descending"
    assert column(shown, "Parameters") == sorted(column(shown, "Parameters"), reverse=True)
    shown.locator("#datasets button", has_text="glyphs").click()
    assert sort_by(shown, "Score") == "descending"
    assert column(shown, "Score") == sorted(column(shown, "Score"), reverse=True)
    assert shown.locator("#table th[data-key=parameters]").get_attribute("aria-sort") == "none"


def test_sorting_by_keyboard(shown: Page) -> None:
    shown.locator("#table th[data-key=parameters] button").focus()
    shown.keyboard.press("Enter")
    assert column(shown, "Parameters") == sorted(column(shown, "Parameters"))


@pytest.mark.parametrize("width", [1920, 1400, 1280, 1000, 820, 390])
def test_nothing_of_the_table_is_cut_off_at_any_width(shown: Page, width: int) -> None:
    shown.set_viewport_size({"width": width, "height": 844})
    scroll, page = (
        shown.evaluate(f"(one => one.scrollWidth - one.clientWidth)({one})")
        for one in ("document.getElementById('scroll')", "document.documentElement")
    )
    assert scroll <= 0
    assert page <= 0
    wide = (
        "all => all.filter(one => one.clientWidth && one.scrollWidth > one.clientWidth + 1).map(one => one.innerText)"
    )
    for cells in ("#table > thead th", "#table .row > *", "#overview .scroll", "#matrix th, #matrix td"):
        assert shown.locator(cells).evaluate_all(wide) == []


def test_filters_and_their_address(shown: Page) -> None:
    everything = len(entries(read_runs(PROJECT / "results" / "reference")[0]))
    shown.locator("#datasets button", has_text="glyphs").click()
    shown.locator("#search").fill("maml TRUE")
    assert learners(shown) == ["maml"] * 3
    shown.locator("#ways").select_option("3")
    assert shown.locator("#count").inner_text() == f"1 row of {everything}"
    shown.locator("#transductive").select_option("false")
    assert "No row fits" in shown.locator("#count").inner_text()
    shown.locator("#transductive").select_option("true")
    shown.reload()
    assert learners(shown) == ["maml"]
    shown.get_by_role("button", name="Reset").click()
    assert shown.locator("#table tr.row").count() == min(everything, PAGE_ROWS)


def test_filters_by_shots_and_by_outside_data(browser: Browser, tmp_path: Path) -> None:
    rows = [
        *(make_row(name, 50, 49, 51, shots=1, outside_data=name == "b") for name in "ab"),
        *(make_row(name, 60, 59, 61, shots=5, outside_data=name == "b") for name in "abc"),
    ]
    with opened(browser, tmp_path, rows) as shown:
        shown.locator("#shots").select_option("5")
        assert learners(shown) == ["a", "b", "c"]
        shown.locator("#outside_data").select_option("true")
        assert learners(shown) == ["b"]
        shown.locator("#shots").select_option("")
        assert learners(shown) == ["b", "b"]
        shown.locator("#outside_data").select_option("false")
        assert learners(shown) == ["a", "a", "c"]


def test_filters_by_test_classes_and_marks_those_that_were_seen(browser: Browser, tmp_path: Path) -> None:
    given = {"a": "yes", "b": "no", "c": "unknown"}
    rows = [make_row(name, 50, 49, 51, outside_data=name != "b", test_classes=seen) for name, seen in given.items()]
    with opened(browser, tmp_path, rows) as shown:
        marks = shown.locator("#table tbody tr").evaluate_all(
            "rows => rows.map(row => [...row.querySelectorAll('.tag')].map(tag => tag.textContent).join())"
        )
        assert dict(zip(learners(shown), marks, strict=True)) == {
            "a": "outside data,test classes in it",
            "b": "",
            "c": "outside data",
        }
        for seen in given.values():
            shown.locator("#test_classes").select_option(seen)
            assert [given[name] for name in learners(shown)] == [seen]


@pytest.mark.parametrize(
    "hash", ["#ways=abc", "#ways=7&shots=05", "#transductive=perhaps&outside_data=1", "#dataset=none"]
)
def test_an_address_that_asks_for_what_there_is_not_shows_all(browser: Browser, tmp_path: Path, hash: str) -> None:
    with opened(browser, tmp_path, [make_row("a", 50, 49, 51)], hash) as shown:
        assert learners(shown) == ["a"]
        assert shown.locator("#filters select").evaluate_all("all => all.map(one => one.selectedIndex)") == [0] * 5


def test_regression_sorts_the_least_error_first(browser: Browser, tmp_path: Path) -> None:
    rows = [make_row(name, error, error, error, dataset="sinusoid") for name, error in (("b", 2), ("c", 0.5), ("a", 1))]
    with opened(browser, tmp_path, rows) as shown:
        assert sort_by(shown, "Score") == "ascending"
        assert column(shown, "Score") == [0.5, 1, 2]
        assert sort_by(shown, "Score") == "descending"
        assert column(shown, "Score") == [2, 1, 0.5]


def test_floors_stand_beside_scores_and_sort_with_the_unknown_last(browser: Browser, tmp_path: Path) -> None:
    floors = {"a": 20.0, "b": float("nan"), "c": 56.58}
    rows = [make_row(name, 90, 89, 91, floor) for name, floor in floors.items()]
    with opened(browser, tmp_path, rows) as shown:
        assert texts(shown, "Floor") == ["20.00", "", "56.58"]
        assert sort_by(shown, "Floor") == "descending"
        assert texts(shown, "Floor") == ["56.58", "20.00", ""]
        assert sort_by(shown, "Floor") == "ascending"
        assert texts(shown, "Floor") == ["20.00", "56.58", ""]
        shown.set_viewport_size({"width": 390, "height": 844})
        assert [text.split("\n")[1:] for text in texts(shown, "Score")] == [["floor 20.00"], ["floor 56.58"], []]


def test_an_interval_that_is_not_symmetric_is_given_by_its_arms(browser: Browser, tmp_path: Path) -> None:
    rows = [make_row("a", 99.25, 98.94, 99.46), make_row("b", 99.25, 98.98, 99.52), make_row("c", 99.25, 98.98, 99.53)]
    with opened(browser, tmp_path, rows) as shown:
        scores = texts(shown, "Score")
        assert scores == [
            f"99.25 {MINUS}0.31 +0.21",
            "99.25 ± 0.27",
            "99.25 ± 0.28",
        ]  # of the last, an arm is rounded up
        shown.locator("#table .opener").first.click()
        assert "95% interval over tasks\n98.94 to 99.46" in shown.locator(".details .facts").inner_text()


def test_a_row_without_a_rank_has_a_dash(browser: Browser, tmp_path: Path) -> None:
    foreign = make_row("theirs", 80, 79, 81, rank=None, values={"origin": "unverified"})
    with opened(browser, tmp_path, [make_row("a", 90, 89, 91), make_row("b", 85, 84, 86, rank=None), foreign]) as shown:
        assert texts(shown, "Rank") == ["1", DASH, DASH]
        assert shown.locator("#table .tag").all_inner_texts() == ["unverified"]
        labels = shown.locator("#intervals .label").all_text_contents()
        assert labels == ["1  a", f"{DASH}  b", f"{DASH}  theirs (unverified)"]


def test_next_and_previous_turn_the_page(browser: Browser, tmp_path: Path) -> None:
    rows = [make_row(f"l{number:03}", 50, 49, 51, values={"parameters": number}) for number in range(120)]
    with opened(browser, tmp_path, rows) as shown:
        assert column(shown, "Parameters") == [*range(50)]
        assert shown.locator("#previous").is_disabled()
        shown.locator("#next").click()
        assert column(shown, "Parameters") == [*range(50, 100)]
        assert shown.locator("#page").inner_text() == "51 to 100 of 120"
        shown.locator("#next").click()
        assert column(shown, "Parameters") == [*range(100, 120)]
        assert shown.locator("#next").is_disabled()
        shown.locator("#previous").click()
        assert column(shown, "Parameters") == [*range(50, 100)]
