"""What is in the page's file: rows, pictures, average ranks; and nothing from outside."""

import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from metabench.board.page import PICTURES_BYTES, average_ranks, page
from metabench.board.rows import Run, entries
from metabench.board.text import csv
from metabench.records.runs import read_runs
from tests.conftest import PROJECT
from tests.made_records import UNTRAINED, make_record, write_run
from tests.made_rows import make_row, shown_page


def test_the_file_names_nothing_outside_itself(pages: Path) -> None:
    class Reader(HTMLParser):
        found: list[str] = []  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]

    for path in pages.glob("*.html"):
        text = path.read_text()
        reader = Reader()
        reader.feed(text)
        assert {name for name in reader.found if not name.startswith("#")} == {"data:,"}
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
        of_tasks = np.full(10, accuracy)
        return Run(make_record(of_tasks, dataset=dataset, learner=learner, shots=shots, **UNTRAINED), of_tasks)

    one = [run("glyphs", "a", 0.9), run("glyphs", "b", 0.8), run("glyphs", "c", 0.8)]
    assert average_ranks(entries(one)) is None
    two = [run("cub", "a", 0.5), run("cub", "b", 0.6), run("cub", "c", 0.4)]
    other = [run("fc100", "a", 0.5), run("fc100", "b", 0.6), run("fc100", "rare", 0.9)]
    other += [run("fc100", "a", 0.7, shots=5), run("fc100", "b", 0.65, shots=5)]
    assert average_ranks(entries([*one, *two, *other])) is None
    more = [run(name, learner, mean) for name in ("mine", "yours") for learner, mean in (("a", 0.5), ("b", 0.6))]
    ranks = average_ranks(entries([*one, *two, *other, *more]))
    assert ranks
    # On fc100 b is ahead by the mean of two boards, which are one block.
    assert (ranks.names, ranks.ranks) == (["b", "a"], [1.2, 1.8])
    assert (ranks.boards, ranks.datasets) == (6, 5)
    # Nemenyi's quantile for two is the normal one: 1.960 * sqrt(2 * 3 / (6 * 5)).
    assert ranks.critical_difference == pytest.approx(1.96 / 5**0.5, abs=1e-4)


def test_all_pictures_together_have_a_limit(tmp_path: Path) -> None:
    """The best ranked rows keep theirs."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (880, 880), dtype=np.uint8))
    noise.save(tmp_path / "noise.png")
    size = len(f"data:image/png;base64,{'':{4 * -(-(tmp_path / 'noise.png').stat().st_size // 3)}}")
    assert PICTURES_BYTES // 30 < size < PICTURES_BYTES // 20
    rows = []
    for number in range(30):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "hardest.png").hardlink_to(tmp_path / "noise.png")
        row = make_row(f"learner{number}", 50, 49, 51, rank=30 - number)
        rows.append(replace(row, runs=(replace(row.runs[0], folder=folder),)))
    opened = [json.loads(line)["picture"] for line in embedded(page(rows), "details").split("\n")]
    kept = [number for number, picture in enumerate(opened) if picture]
    assert kept == [*range(30 - PICTURES_BYTES // size, 30)]


def test_rows_that_differ_in_training_images_alone_have_names_and_lines_of_their_own() -> None:
    def run(images: str, shots: int, dataset: str = "glyphs") -> Run:
        of_tasks = np.array([0.5, 0.6])
        changes = {"train_images": images * 16, "test_images": dataset.encode().hex()[:10], "dataset": dataset}
        return Run(make_record(of_tasks, shots=shots, **changes), of_tasks)

    runs = [run("0e", 1), run("0f", 1), run("0e", 5), run("0d", 1, "cub")]
    rows = json.loads(embedded(page(entries(runs)), "summary"))["rows"]
    one, other, elsewhere = "training data 0e0e0e0e", "training data 0f0f0f0f", ""
    assert sorted(row["apart"] for row in rows) == [elsewhere, one, one, other]
    assert len({row["line"] for row in rows}) == 3
    assert len({row["line"] for row in rows if row["apart"] == one}) == 1


def test_who_has_no_rank_has_no_average_rank() -> None:
    rows = [
        make_row(name, 50 + place, 40, 60, dataset=dataset, rank=None if name == "c" else place + 1)
        for dataset in ("glyphs", "cub", "fc100", "mine", "yours")
        for place, name in enumerate("abc")
    ]
    ranks = average_ranks(rows)
    assert ranks
    assert ranks.names == ["b", "a"]


@pytest.mark.slow
def test_ten_thousand_records_take_ten_times_as_long_as_a_thousand_and_the_page_draws_fifty(
    browser: Browser, tmp_path: Path
) -> None:
    """Reading, ranking and the CSV; a board has as many rows in either. The thousand are measured before and after."""
    generator = np.random.default_rng(0)
    for number in range(1000):
        accuracies = generator.binomial(75, generator.uniform(0.5, 0.9), 600) / 75
        learner, steps, shots = f"learner{number % 20}", number // 20 % 10, 1 + number // 200
        folder = write_run(
            tmp_path / "few" / str(number), accuracies, learner=learner, shots=shots, changed_options={"steps": steps}
        ).parent
        for more in range(1, 10):  # the same on other boards
            copied = tmp_path / f"more{more}" / str(number)
            copied.mkdir(parents=True)
            (copied / "scores.csv").write_bytes((folder / "scores.csv").read_bytes())
            record = (folder / "record.json").read_text()
            (copied / "record.json").write_text(record.replace(f'"shots": {shots}', f'"shots": {shots + 5 * more}'))

    def spent(folder: Path, records: int) -> float:
        started = time.process_time()
        rows = entries(read_runs(folder)[0])
        assert csv(rows).count("\n") == 1 + records
        return time.process_time() - started

    few = [spent(tmp_path / "few", 1000) for _ in range(5)]
    many = spent(tmp_path, 10_000)
    few += [spent(tmp_path / "few", 1000) for _ in range(5)]
    assert many < 15 * fmean(few), (few, many)
    rows = entries(read_runs(tmp_path)[0])
    (tmp_path / "page.html").write_text(page(rows))
    with shown_page(browser, tmp_path / "page.html") as shown:
        assert shown.locator("#count").inner_text() == "10,000 rows of 10,000"
        sizes = []
        for act in (
            "() => {}",
            "() => document.querySelector('[data-key=score] button').click()",
            "() => { state.search = 'learner7'; showAll(); }",
        ):
            shown.evaluate(act)
            assert shown.locator("#table tr.row").count() == 50
            assert shown.locator("#intervals figure").count() == 12
            sizes.append(shown.evaluate("document.querySelectorAll('*').length"))
        assert max(sizes) < 20_000
