"""The leaderboard's page, and the browser that it is tested in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from metabench.board.page import page
from metabench.board.rows import entries
from metabench.records.runs import read_runs
from tests.conftest import PROJECT
from tests.made_records import write_run
from tests.made_rows import shown_page

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
    """A page of `pages` (by default the reference), opened from the disk."""
    name, width, scheme = getattr(request, "param", ("reference", 1200, "light"))
    size = {"width": width, "height": 844}
    with shown_page(browser, pages / f"{name}.html", viewport=size, color_scheme=scheme) as found:
        yield found
