"""The page in a real Chromium: opened rows, theme, frames; what is in a record is text."""

import html
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from metabench.board.rows import Entry, Run, entries
from metabench.records.runs import read_runs
from tests.conftest import PROJECT
from tests.made_records import make_record
from tests.made_rows import curve, make_row, opened
from tests.metabench.conftest import SCRIPT


def test_a_view_of_one_dataset(shown: Page) -> None:
    shown.locator("#datasets button", has_text="glyphs").click()
    assert set(shown.locator("#table td.task").evaluate_all("cells => cells.map(c => c.firstChild.data)")) == {"glyphs"}
    assert "classes 415 for training, 63 for validation, 147 for test" in shown.locator("#about").inner_text()
    rows = [row for row in entries(read_runs(PROJECT / "results" / "reference")[0]) if row.values.dataset == "glyphs"]
    on_board = Counter(row.board for row in rows)
    assert shown.locator("#intervals figure").count() == len(on_board)
    assert shown.locator("#intervals svg .mark").count() == sum(min(number, 16) for number in on_board.values())


@pytest.mark.parametrize("way", ["mouse", "Enter", "Space"])
def test_a_row_opens_and_closes(shown: Page, way: str) -> None:
    shown.locator("#datasets button", has_text="glyphs").click()
    opener = shown.locator("#table .opener", has_text="distill").first

    def act() -> None:
        if way == "mouse":
            shown.locator("tr.row", has_text="distill").first.locator("td.score").click()
        else:
            opener.focus()
            shown.keyboard.press(way)

    act()
    details = shown.locator(".details")
    assert opener.get_attribute("aria-expanded") == "true"
    assert details.locator("svg .curve").count() >= 2
    assert "teacher_backbone" in details.inner_text()
    assert "metabench run --learner distill --dataset glyphs" in details.locator(".command code").inner_text()
    act()
    assert details.count() == 0
    assert opener.get_attribute("aria-expanded") == "false"


def test_the_theme_follows_the_system_and_the_switch(shown: Page) -> None:
    def ground() -> Any:
        return shown.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    shown.emulate_media(color_scheme="dark")
    dark = ground()
    assert dark != light
    switch = shown.locator("#theme")
    switch.click()
    assert (switch.inner_text(), ground()) == ("Theme: light", light)
    shown.emulate_media(color_scheme="light")
    switch.click()
    assert (switch.inner_text(), ground()) == ("Theme: dark", dark)


def contrast(one: str, other: str) -> float:
    """WCAG 2's ratio of two colours as computed styles give them."""

    def luminance(colour: str) -> float:
        parts = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("shown", [("reference", 1200, "light"), ("reference", 1200, "dark")], indirect=True)
def test_text_and_marks_stand_out(shown: Page) -> None:
    """WCAG 2.1: text by 4.5 to 1, graphics by 3 to 1."""
    names = ["ink", "soft", "accent", *(f"s{number}" for number in range(8))]
    probe = """names => names.map(name => {
        document.body.style.color = `var(--${name})`;
        const found = getComputedStyle(document.body).color;
        document.body.style.color = "";
        return found;
    })"""
    grounds = shown.evaluate(probe, ["ground", "surface", "sunk"])
    for name, colour in zip(names, shown.evaluate(probe, names), strict=True):
        least = min(contrast(colour, ground) for ground in grounds)
        assert least >= (3 if re.fullmatch(r"s\d", name) else 4.5), (name, least)


@pytest.mark.parametrize("shown", [("reference", 390, "light"), ("hostile", 390, "dark")], indirect=True)
def test_a_phone_does_not_scroll_sideways(shown: Page) -> None:
    shown.locator("#table .opener").first.click()
    assert shown.evaluate("document.documentElement.scrollWidth") == 390
    details = shown.locator(".details").bounding_box()
    assert details
    assert details["x"] >= 0
    assert details["x"] + details["width"] <= 390
    score = shown.locator("#table td.score").first.bounding_box()
    assert score
    assert score["x"] + score["width"] <= 390


def test_the_keyboard_reaches_table_and_theme_first(shown: Page) -> None:
    focused = "document.activeElement.id || document.activeElement.className"
    shown.keyboard.press("Tab")
    assert shown.evaluate(focused) == "skip"
    assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    shown.keyboard.press("Enter")
    shown.keyboard.press("Tab")
    assert shown.evaluate(focused) == "scroll"


@pytest.mark.parametrize("shown", [("hostile", 1200, "light")], indirect=True)
def test_what_records_say_is_text(shown: Page) -> None:
    assert shown.locator("#table .opener .name").count() == 6
    assert SCRIPT[:40] in shown.locator("#table .opener .name").first.inner_text()
    shown.locator("#table .opener").first.click()
    text = shown.locator(".details").inner_text()
    assert text.count(SCRIPT[:40]) >= 3
    assert shown.locator(".details img").evaluate("picture => picture.naturalWidth") == 30
    assert shown.locator("#against-shots .line").count() == 3
    assert shown.evaluate("window.hit") is None
    assert shown.locator("script").count() == 5
    assert shown.locator("img").count() == 1


def test_even_markup_in_the_page_would_run_no_script(browser: Browser, pages: Path, tmp_path: Path) -> None:
    """The page's own policy stands behind the escaping."""
    broken = tmp_path / "broken.html"
    injected = "<script>window.hit = 1</script><img src=x onerror='window.hit = 1'></body>"
    broken.write_text((pages / "hostile.html").read_text().replace("</body>", injected))
    opened, said = browser.new_page(), []
    opened.on("console", lambda message: said.append(message.text))
    opened.goto(broken.as_uri())
    assert opened.evaluate("window.hit") is None
    assert sum("Content Security Policy" in line for line in said) == 3  # the script, the picture, its handler
    opened.close()


def test_copy_copies_the_command(browser: Browser, tmp_path: Path) -> None:
    with opened(
        browser, tmp_path, [make_row("a", 50, 49, 51)], permissions=["clipboard-read", "clipboard-write"]
    ) as shown:
        shown.locator("#table .opener").click()
        wanted = shown.locator(".command code").inner_text()
        assert wanted.startswith("metabench run --learner a --dataset glyphs")
        shown.get_by_role("button", name="Copy").click()
        shown.get_by_role("button", name="Copied").wait_for()
        assert shown.evaluate("navigator.clipboard.readText()") == wanted


def test_a_stage_of_any_name_lets_its_neighbours_open(browser: Browser, tmp_path: Path) -> None:
    names = ["constructor", "__proto__", "toString", "train"]
    of_tasks = np.array([0.5, 0.6])
    runs = [
        Run(make_record(of_tasks, seed=seed, training=curve((1, 2, 0.5), (2, 1, 0.6), stage=name)), of_tasks)
        for seed, name in enumerate(names)
    ]
    with opened(browser, tmp_path, entries(runs)) as shown:
        shown.locator("#table .opener").click()
        assert shown.locator(".details figcaption").all_inner_texts() == names
        assert shown.locator(".details .curve").count() == 2 * len(names)


def test_in_another_pages_frame_it_works(browser: Browser, pages: Path, tmp_path: Path) -> None:
    """There the address, the storage and the clipboard may be forbidden."""
    content = html.escape((pages / "reference.html").read_text())
    (tmp_path / "outer.html").write_text(
        '<!doctype html><meta charset="utf-8">'  # a guessed encoding changes the text, and with it the policy's digests
        f'<iframe width=1100 height=800 sandbox="allow-scripts" srcdoc="{content}"></iframe>'
    )
    outer, errors = browser.new_page(), []
    outer.on("pageerror", lambda error: errors.append(str(error)))
    outer.goto((tmp_path / "outer.html").as_uri())
    inner = outer.frame_locator("iframe")
    inner.locator("#search").fill("maml true")
    inner.locator("#ways").select_option("3")
    assert inner.locator("#table tr.row").count() == 1
    assert inner.locator("#intervals figure").count() == 1
    inner.locator("#theme").click()
    assert inner.locator("#theme").inner_text() == "Theme: light"
    inner.locator("#table .opener").click()
    inner.get_by_role("button", name="Copy").click()
    inner.get_by_role("button", name="Selected: copy it").wait_for()
    selected = inner.locator("body").evaluate("() => getSelection().toString()")
    assert selected.startswith("metabench run --learner maml")
    assert errors == []
    outer.close()


def test_the_page_says_what_ranks_are_among(shown: Page) -> None:
    assert (
        "on this page, whatever the filters show" in shown.locator("section", has=shown.locator("#scroll")).inner_text()
    )
    assert "whatever the filters show" in shown.locator("section", has=shown.locator("#average-ranks")).inner_text()
    assert "every one on the same tasks" not in shown.locator("header").inner_text()


def test_only_what_has_a_default_is_said_to_differ_from_it(browser: Browser, tmp_path: Path) -> None:
    resolved = {"episodes": 4, "device": "cpu", "precision": "float32", "threads": 2, "split": "scripts"}
    row: Entry = make_row("a", 50, 49, 51, ways=3, **resolved)
    with opened(browser, tmp_path, [row]) as shown:
        shown.locator("#table .opener").click()
        shown.locator(".details summary").click()
        assert "threads" in shown.locator(".details dl dt").all_inner_texts()
        assert shown.locator(".details .changed dt").all_inner_texts() == ["learner", "ways"]
