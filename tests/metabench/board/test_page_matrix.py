"""The page's overview in a real Chromium: learners by tasks, their average ranks, and what its buttons do."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from metabench.board.rows import Entry
from metabench.stats.ranking import Place
from tests.made_rows import make_row, opened


def entry(learner: str, mean: float, place: tuple[int, int] | None, **changes: object) -> Entry:
    made = make_row(learner, mean, mean - 1, mean + 1, rank=None, **changes)  # type: ignore[arg-type]
    made.__dict__["rank"] = Place(*place) if place else None
    return made


DASH = "\N{EN DASH}"

# Two tasks of one dataset and one of another; caml is on one of them and has no rank.
ROWS = [
    entry("anil", 80, (1, 2), ways=5, shots=1),
    entry("boil", 79, (1, 2), ways=5, shots=1),
    entry("caml", 60, None, ways=5, shots=1),
    entry("boil", 90, (1, 1), ways=5, shots=5),
    entry("anil", 85, (2, 2), ways=5, shots=5),
    entry("boil", 0.25, None, dataset="sinusoid", shots=5),
    entry("anil", 0.5, None, dataset="sinusoid", shots=5),
]


@pytest.fixture
def shown(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    with opened(browser, tmp_path, ROWS) as page:
        yield page


def matrix(shown: Page) -> list[list[str]]:
    """Its cells, row by row, without what stands small in them."""
    return shown.locator("#matrix tr").evaluate_all(
        "rows => rows.map(row => [...row.children].map(cell => (cell.querySelector('button') ?? cell)"
        ".firstChild?.textContent ?? ''))"
    )


def test_learners_stand_by_their_average_rank_beside_what_they_scored(shown: Page) -> None:
    assert matrix(shown) == [
        ["Learner", "Average rank", "glyphs", "glyphs", "sinusoid"],
        ["boil", "1.3", "79.00", "90.00", "0.2500"],  # (1.5 + 1) / 2
        ["anil", "1.8", "80.00", "85.00", "0.5000"],  # (1.5 + 2) / 2
        ["caml", DASH, "60.00", "", ""],
    ]
    ranges = shown.locator("#matrix .average .settings").all_inner_texts()
    assert ranges == ["1.0 to 1.5, 2 tasks", "1.5 to 2.0, 2 tasks", ""]


def test_bold_are_the_best_and_what_is_not_significantly_worse(shown: Page) -> None:
    bold = shown.locator("#matrix .leads")
    assert bold.all_inner_texts() == ["79.00", "90.00", "0.2500", "80.00"]
    assert bold.first.get_attribute("title") == "79.00 ± 1.00, rank 1-2"


def test_its_buttons_show_one_task_or_one_learner(shown: Page) -> None:
    shown.locator("#matrix thead button").nth(1).click()
    assert shown.locator("#table .opener .name").all_inner_texts() == ["boil", "anil"]
    assert shown.locator("#shots").input_value() == "5"
    assert shown.locator("#overview").is_hidden()  # one task needs none
    shown.locator("#filters button").click()
    shown.locator("#datasets button", has_text="All datasets").click()
    shown.locator("#matrix tbody button", has_text="caml").click()
    assert shown.locator("#table .opener .name").all_inner_texts() == ["caml"]


def test_the_address_keeps_order_and_opened_rows(browser: Browser, tmp_path: Path, shown: Page) -> None:
    shown.locator("#table th[data-key=score] button").click()
    shown.locator("#table th[data-key=score] button").click()
    shown.locator("#table .opener").nth(2).click()
    name = shown.locator("#table .opener .name").nth(2).inner_text()
    order = shown.locator("#table .opener .name").all_inner_texts()
    hash = shown.evaluate("location.hash")
    with opened(browser, tmp_path, ROWS, hash) as again:
        assert again.locator("#table .opener .name").all_inner_texts() == order
        assert again.locator("#table th[data-key=score]").get_attribute("aria-sort") == "ascending"
        assert again.locator("#table [aria-expanded=true] .name").all_inner_texts() == [name]
        assert again.locator("#table tr.opened").count() == 1


@pytest.mark.parametrize("hash", ["#sort=none&down=1", "#sort=__proto__", "#open=99&open=x", "#sort=&open="])
def test_an_address_with_another_order_or_row_shows_the_usual(browser: Browser, tmp_path: Path, hash: str) -> None:
    with opened(browser, tmp_path, ROWS[:3], hash) as shown:
        assert shown.locator("#table .opener .name").all_inner_texts() == ["anil", "boil", "caml"]
        assert shown.locator("#table th[data-key=rank]").get_attribute("aria-sort") == "ascending"
