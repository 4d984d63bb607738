"""The hardest tasks of texts on the leaderboard's page: what a run's file says of them is shown as text."""

import json
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from metabench.board.page import page
from metabench.board.rows import Entry, entries
from metabench.escape import embedded_json, readable
from metabench.records.runs import read_runs
from metabench.records.shown import BEGIN, END, ShownTask
from metabench.texts.html import Page, html
from tests.hostile_texts import HOSTILE
from tests.made_records import edit_record, write_run
from tests.made_rows import opened
from tests.metabench.texts.test_terminal import made_task


def row_of(folder: Path, hardest: str) -> list[Entry]:
    """A row of a run of texts with that file."""
    write_run(folder / "run", np.array([0.5, 0.75]))
    edit_record(folder / "run", dataset__kind="text", dataset__image_shape=[128])
    (folder / "run" / "hardest.html").write_text(hardest)
    return entries(read_runs(folder)[0])


def tasks() -> list[ShownTask]:
    return [made_task(), made_task(["where", "when", "who"]).model_copy(update={"title": "another", "more_classes": 4})]


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_hostile_texts_show_and_run_nothing(width: int, scheme: str, browser: Browser, tmp_path: Path) -> None:
    rows = row_of(tmp_path / "runs", html(Page(title="t", tasks=tasks(), data=True)))
    size = {"width": width, "height": 844}
    with opened(browser, tmp_path, rows, viewport=size, color_scheme=scheme) as shown:
        shown.locator("#table .opener").click()
        first, second = shown.locator(".texts .episode").all()
        text = " ".join(first.inner_text().split())
        wrong = HOSTILE[1::2]  # of a made task every other query
        for each in wrong[:-1]:
            assert " ".join(readable(each, 1000).split())[:300] in text
        assert text.count("5 of 10 queries wrong, 7 more") == 3
        assert first.locator("mark").all_inner_texts().count("<b> E1") == 3
        assert second.get_attribute("open") is None
        second.locator("summary").click()
        assert "and 4 more classes" in second.inner_text()
        assert "10.0% when" in second.inner_text()
        assert shown.evaluate("window.hit") is None
        assert shown.locator("img").count() == 0
        assert shown.locator("script").count() == 5
        assert shown.evaluate("document.documentElement.scrollWidth") == width


def test_nothing_but_the_tasks_of_a_file_comes_into_the_page(tmp_path: Path) -> None:
    """It may have come from elsewhere with the record."""
    data = embedded_json([task.model_dump() for task in tasks()])
    made = page(row_of(tmp_path, f"<script>window.stolen = 1</script><img src=stolen>{BEGIN}{data}{END}<b>stolen</b>"))
    assert "stolen" not in made
    line = json.loads(made.split('id="details">')[1].split("</script>")[0].strip())
    assert [task["title"] for task in line["tasks"]] == ["made, task 3: accuracy 50.00%", "another"]


@pytest.mark.parametrize("content", ["", "<p>none</p>", f"{BEGIN}{{}}{END}", f"{BEGIN}[1]{END}"])
def test_a_file_that_is_none_is_left_out(content: str, tmp_path: Path, browser: Browser) -> None:
    with opened(browser, tmp_path, row_of(tmp_path / "runs", content)) as shown:
        shown.locator("#table .opener").click()
        assert "There are no hardest tasks" in shown.locator(".details").inner_text()


def test_a_picture_beside_a_run_of_texts_is_left_out(tmp_path: Path) -> None:
    rows = row_of(tmp_path, "")
    (tmp_path / "run" / "hardest.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "data:image/png" not in page(rows)
