"""Rows of a leaderboard with the values that a test of the page wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import Browser, Page

from metabench.board.page import page
from metabench.board.rows import Entry, Run, entries
from metabench.records.record import Training
from metabench.stats.ranking import Place
from tests.made_records import make_record


def make_row(
    learner: str,
    mean: float,
    low: float,
    high: float,
    floor: float = float("nan"),
    rank: int | None = 1,
    values: dict[str, Any] | None = None,
    **changes: Any,
) -> Entry:
    """A row of one run with these values, in the table's unit.

    Args:
        values: in place of its columns.
        changes: go to its record.
    """
    scale = 1 if changes.get("dataset") == "sinusoid" else 100
    of_tasks = np.full(4, mean / scale)
    (entry,) = entries([Run(make_record(of_tasks, learner=learner, **changes), of_tasks)])
    interval = {"half_width": max(mean - low, high - mean), "low": low, "high": high, "floor": floor}
    place = None if rank is None else Place(rank, rank)
    return replace(entry, rank=place, values=replace(entry.values, **{**interval, **(values or {})}))


COSTS = ("processor_seconds", "images", "task_multiply_adds", "parameters")


def costly(*costs: tuple[str, float, float], **changes: Any) -> list[Entry]:
    """Rows by learner, cost and mean."""
    return [
        make_row(name, mean, mean - 2, mean + 3, values=dict.fromkeys(COSTS, cost), **changes)
        for name, cost, mean in costs
    ]


def curve(*points: tuple[int, float, float], stage: str = "train") -> Training:
    """Of a stage: steps with their loss and validation accuracy."""
    rows = [{"stage": stage, "step": step, "loss": loss, "validation_accuracy": value} for step, loss, value in points]
    return Training(curve=rows, best={}, seconds=1.0, images=1)


@contextmanager
def opened(browser: Browser, folder: Path, rows: list[Entry], hash: str = "", **options: Any) -> Iterator[Page]:
    """The page of these rows; it must ask for nothing and say nothing.

    Args:
        hash: of its address.
        options: of the browser's context.
    """
    (folder / "made.html").write_text(page(rows))
    with shown_page(browser, folder / "made.html", hash, **options) as found:
        yield found


@contextmanager
def shown_page(browser: Browser, file: Path, hash: str = "", **options: Any) -> Iterator[Page]:
    """A page from the disk; it must ask for nothing and say nothing."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 844}, **options})
    found = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    found.on("console", lambda message: said.append(message.text))
    found.on("pageerror", lambda error: said.append(str(error)))
    found.on("request", lambda sent: asked.append(sent.url))
    found.set_default_timeout(20_000)
    found.goto(file.as_uri() + hash)
    yield found
    assert said == []
    assert {url.partition("#")[0] for url in asked if not url.startswith("data:")} == {file.as_uri()}
    context.close()
