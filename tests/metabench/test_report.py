"""What is in the page's file: rows, pictures, average ranks; and nothing from outside."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metabench.leaderboard import Run, entries, read_runs
from metabench.report import average_ranks, page
from tests.conftest import PROJECT
from tests.made_records import make_record, write_run


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
