"""The page, in a real Chromium."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from metabench.leaderboard import Run, entries, read_runs
from metabench.report import average_ranks, page
from metabench.tables import csv
from tests.conftest import PROJECT
from tests.made_records import make_record, write_run

SCRIPT = "</script ><script >window.hit = 1</script><!--<script <img src=x onerror='window.hit = 1'>{{ 7 * 7 }}"
HOSTILE = {"learner": SCRIPT, "changed_options": {SCRIPT: SCRIPT}, "class_split": SCRIPT, "options": {SCRIPT: SCRIPT}}
CURVE = [{"stage": SCRIPT, "step": 10 * step, "loss": 1 / step, "validation_accuracy": 0.5} for step in (1, 2, 3)]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; in CI it must be there."""
    places = [os.environ.get("CHROMIUM"), *map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))]
    place = next(filter(None, places), None)
    if place is None:
        message = "there is no Chromium to test the page in: install Debian's `chromium`, or name one by $CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=place, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages of the reference records and of hostile ones, and nothing else."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "reference.html").write_text(page(entries(read_runs(PROJECT / "results" / "reference")[0])))
    records = tmp_path_factory.mktemp("records")
    training = {"curve": CURVE, "best": {}, "seconds": 1.0, "images": 1}
    generator = np.random.default_rng(0)
    for number, changes in enumerate([{}, {"learner": "maml"}, {**HOSTILE, "training": training}]):
        for shots in (1, 5):
            run = records / f"{number}-{shots}"
            write_run(run, generator.uniform(0.3 + 0.2 * number, 0.6 + 0.2 * number, 50), shots=shots, **changes)
            Image.new("RGB", (30, 20), "red").save(run / "hardest.png")
    (folder / "hostile.html").write_text(page(entries(read_runs(records)[0])))
    return folder


@pytest.fixture
def shown(browser: Browser, pages: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of `pages` (by default the reference), opened from the disk; it must ask for nothing and say nothing."""
    name, width, scheme = getattr(request, "param", ("reference", 1200, "light"))
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    opened, said, asked = context.new_page(), [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda sent: asked.append(sent.url))
    opened.set_default_timeout(20_000)
    address = (pages / f"{name}.html").as_uri()
    opened.goto(address)
    yield opened
    assert said == []
    assert {url.partition("#")[0] for url in asked if not url.startswith("data:")} == {address}
    context.close()


def learners(shown: Page) -> list[str]:
    return shown.locator("#table .opener .name").all_inner_texts()


def column(shown: Page, place: int) -> list[float]:
    texts = shown.locator(f"#table tr.row > :nth-child({place})").all_inner_texts()
    return [float(text.split("±")[0].replace(",", "")) for text in texts]


def sort_by(shown: Page, name: str) -> str | None:
    head = shown.locator("#table thead th", has_text=name)
    head.locator("button").click()
    return head.get_attribute("aria-sort")


def test_the_table_has_the_rows_in_the_order_of_their_ranks(shown: Page) -> None:
    rows = entries(read_runs(PROJECT / "results" / "reference")[0])
    assert learners(shown) == [entry.values["learner"] for entry in rows]
    assert column(shown, 1) == [entry.rank for entry in rows]
    assert column(shown, 4) == [entry.values[entry.measure.field] for entry in rows]


def test_sorting(shown: Page) -> None:
    assert sort_by(shown, "Parameters") == "ascending"
    assert column(shown, 8) == sorted(column(shown, 8))
    assert sort_by(shown, "Parameters") == "descending"
    assert column(shown, 8) == sorted(column(shown, 8), reverse=True)
    shown.locator("#datasets button", has_text="glyphs").click()
    assert sort_by(shown, "Score") == "descending"
    assert column(shown, 4) == sorted(column(shown, 4), reverse=True)
    assert shown.locator("#table th[data-key=parameters]").get_attribute("aria-sort") == "none"


def test_sorting_by_keyboard(shown: Page) -> None:
    shown.locator("#table th[data-key=training_seconds] button").focus()
    shown.keyboard.press("Enter")
    assert column(shown, 9) == sorted(column(shown, 9))


def test_filters_and_their_address(shown: Page) -> None:
    everything = len(learners(shown))
    shown.locator("#datasets button", has_text="glyphs").click()
    shown.locator("#search").fill("maml TRUE")
    assert learners(shown) == ["maml", "maml"]
    shown.locator("#ways").select_option("3")
    assert shown.locator("#count").inner_text() == f"1 row of {everything}"
    shown.locator("#transductive").select_option("false")
    assert "No row fits" in shown.locator("#count").inner_text()
    shown.locator("#transductive").select_option("true")
    shown.reload()
    assert learners(shown) == ["maml"]
    shown.get_by_role("button", name="Reset").click()
    assert len(learners(shown)) == everything


def test_a_view_of_one_dataset(shown: Page) -> None:
    shown.locator("#datasets button", has_text="glyphs").click()
    assert set(shown.locator("#table td.task").evaluate_all("cells => cells.map(c => c.firstChild.data)")) == {"glyphs"}
    assert "classes 690 for training, 79 for validation, 186 for test" in shown.locator("#about").inner_text()
    assert shown.locator("#intervals figure").count() == 2
    assert shown.locator("#intervals svg .mark").count() == 10


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


def test_the_plots_follow_the_choice_of_cost(shown: Page) -> None:
    assert shown.locator("#against-cost svg text.title", has_text="training, seconds").count()
    shown.locator("#cost").select_option("parameters")
    assert shown.locator("#against-cost svg text.title", has_text="parameters").count()
    assert shown.locator("#against-cost svg .frontier").count() == shown.locator("#against-cost figure").count()
    coordinates = shown.locator("#intervals .mark").evaluate_all("marks => marks.map(m => m.getAttribute('transform'))")
    assert not any("NaN" in place for place in coordinates)


def test_a_point_says_what_it_is(shown: Page) -> None:
    shown.locator("#datasets button", has_text="glyphs").click()
    shown.locator("#intervals .mark").first.hover()
    assert "finetune\n99.25 ± 0.27 %, rank 1\nglyphs, 3-way 5-shot" in shown.locator("#tip").inner_text()


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


def test_every_learner_of_the_legend_has_a_shape_of_its_own(shown: Page) -> None:
    made = """() => ["finetune", "distill", "protonet", "maml"].map(learner =>
        mark({learner, settings: ""}, 0, 0).firstChild).map(drawn => drawn.getAttribute("d") ?? drawn.tagName)"""
    assert len(set(shown.evaluate(made))) == 4


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
    assert shown.evaluate(focused) == "search"


@pytest.mark.parametrize("shown", [("hostile", 1200, "light")], indirect=True)
def test_what_records_say_is_text(shown: Page) -> None:
    assert shown.locator("#table .opener .name").count() == 6
    assert SCRIPT[:40] in learners(shown)[0]
    shown.locator("#table .opener").first.click()
    text = shown.locator(".details").inner_text()
    assert text.count(SCRIPT[:40]) >= 3
    assert shown.locator(".details img").evaluate("picture => picture.naturalWidth") == 30
    assert shown.locator("#against-shots .line").count() == 3
    assert shown.evaluate("window.hit") is None
    assert shown.locator("script").count() == 3
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


def test_the_file_names_nothing_outside_itself(pages: Path) -> None:
    class Reader(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    for path in pages.glob("*.html"):
        text = path.read_text()
        reader = Reader()
        reader.feed(text)
        assert set(reader.found) == {"#results", "data:,"}
        style = re.search(r"<style>(.*?)</style>", text, re.S)
        assert style
        assert "url(" not in style[1]
        assert "@import" not in style[1]


def test_the_same_records_make_the_same_page() -> None:
    runs = read_runs(PROJECT / "results" / "reference")[0]
    assert page(entries(runs)) == page(entries(runs[::-1]))


def embedded(text: str, name: str) -> str:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)
    assert found
    return found[1]


def test_a_picture_that_is_none_is_left_out(tmp_path: Path) -> None:
    makers = {
        "text": lambda path: path.write_text("<svg onload=alert(1)>"),
        "jpeg": lambda path: Image.new("RGB", (9, 9)).save(path, "jpeg"),
        "folder": lambda path: path.mkdir(),
        "wide": lambda path: Image.new("L", (5000, 1)).save(path),
        "cut": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"),
        "large": lambda path: path.write_bytes(b"\x89PNG" + bytes(2**20)),
        "good": lambda path: Image.new("L", (9, 9)).save(path),
    }
    for name, make in makers.items():
        write_run(tmp_path / name, np.array([0.5, 0.75]), learner=name)
        make(tmp_path / name / "hardest.png")
    rows = entries(read_runs(tmp_path)[0])
    lines = embedded(page(rows), "details").split("\n")
    shown = {entry.record.id for entry, line in zip(rows, lines, strict=True) if json.loads(line)["picture"]}
    assert shown == {"good"}


def test_average_ranks_are_over_the_boards_that_learners_share() -> None:
    def run(dataset: str, learner: str, accuracy: float, shots: int = 1) -> Run:
        of_tasks = np.array([accuracy, accuracy])
        return Run(make_record(of_tasks, dataset=dataset, learner=learner, shots=shots), of_tasks)

    one = [run("glyphs", "a", 0.9), run("glyphs", "b", 0.8), run("glyphs", "c", 0.8)]
    assert average_ranks(entries(one)) is None
    two = [run("cub", "a", 0.5), run("cub", "b", 0.6), run("cub", "c", 0.4)]
    other = [run("fc100", "a", 0.5), run("fc100", "b", 0.6), run("fc100", "rare", 0.9)]
    ranks = average_ranks(entries([*one, *two, *other]))
    assert ranks
    # a and b meet on three boards (6 figures), as do a, b and c on two: the first that makes as many is kept.
    assert (ranks.names, ranks.ranks) == (["b", "a"], [1.333, 1.667])
    assert (ranks.boards, ranks.datasets) == (3, 3)
    # Nemenyi's quantile for two is the normal one: 1.960 * sqrt(2 * 3 / (6 * 3)).
    assert ranks.critical_difference == pytest.approx(1.96 / 3**0.5, abs=1e-4)


def test_learners_closer_than_the_critical_difference_are_joined(browser: Browser, tmp_path: Path) -> None:
    """Nemenyi's difference (Demšar 2006, section 3.2.2): for 4 learners and 6 boards 2.569 sqrt(4 * 5 / 36) = 1.915."""
    runs = []
    for place, (dataset, shots) in enumerate((name, shots) for name in ("glyphs", "cub", "fc100") for shots in (1, 5)):
        for rank, learner in enumerate(("a", "b", "c", "d") if place else ("b", "a", "c", "d")):
            of_tasks = np.full(3, 0.9 - 0.1 * rank)
            runs.append(Run(make_record(of_tasks, dataset=dataset, learner=learner, shots=shots), of_tasks))
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


@pytest.mark.slow
def test_ten_thousand_records_make_a_csv_in_ten_seconds_and_a_page_that_is_quick(
    browser: Browser, tmp_path: Path
) -> None:
    generator = np.random.default_rng(0)
    learners = [f"learner{number}" for number in range(20)]
    for number in range(10_000):
        accuracies = generator.binomial(75, generator.uniform(0.5, 0.9), 600) / 75
        changes = {"learner": learners[number % 20], "changed_options": {"steps": number // 100}}
        write_run(tmp_path / str(number), accuracies, shots=(1, 2, 5, 10, 20)[number // 20 % 5], **changes)
    started = time.process_time()
    rows = entries(read_runs(tmp_path)[0])
    assert csv(rows).count("\n") == 10_001
    assert time.process_time() - started < 10
    (tmp_path / "page.html").write_text(page(rows))
    opened = browser.new_page()
    opened.goto((tmp_path / "page.html").as_uri())
    assert opened.locator("#count").inner_text() == "10,000 rows of 10,000"
    assert opened.locator("#table tr.row").count() == 50
    for act in ("document.querySelector('[data-key=score] button').click()", "state.search = 'learner7'; showAll()"):
        spent = opened.evaluate(f"() => {{ const s = performance.now(); {act}; return performance.now() - s; }}")
        assert spent < 2000, act  # milliseconds; a tenth of it on a machine at rest
    opened.close()
