"""The leaderboard as a page: one HTML file that needs nothing else, opened from a disk or a server.

The template is `assets/page.html`; its script draws the table and the plots from two blocks of JSON, and writes
whatever came from a record as text, never as markup. The page's own policy (Content-Security-Policy) allows its one
script and one style sheet by their digests, pictures in the page itself, and no request.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from episodes.banks.bank import TEXTS
from metabench.board.details import details
from metabench.board.latex import PREAMBLE, latex_tables
from metabench.board.lines import apart, line_of
from metabench.board.pairs import paired_differences
from metabench.board.published import published
from metabench.board.rows import Entry
from metabench.board.sources import sources, web
from metabench.board.text import chosen, csv
from metabench.escape import embedded_json, plain, policy_digest
from metabench.records.keys import Board
from metabench.records.record import HARDEST_FILE, HARDEST_PAGE
from metabench.records.runs import Run
from metabench.records.shown import read_shown
from metabench.stats import ranking

SCRIPTS = tuple(
    f"{name}.js"
    for name in (
        *("dom", "state", "scales", "marks", "plots", "ranks", "sources", "details"),
        *("side", "table", "published", "matrix", "downloads", "tips", "controls"),
    )
)
PICTURE_BYTES, PICTURES_BYTES = 2**20, 24 * 2**20  # one, and all: a page should open at once
PICTURE_SIDE = 4000
MOST_RANKED = 20  # learners whose average ranks are drawn


@dataclass(frozen=True)
class AverageRanks:
    """Ranks of learners by their mean over the boards of a dataset on which all of them are, averaged over datasets.

    Attributes:
        names: of the learners with their settings, the best first.
        ranks: their average ranks, equals sharing the mean of their places.
        boards: how many.
        datasets: of how many datasets.
        critical_difference: Nemenyi's: learners whose average ranks are closer do not differ significantly.
    """

    names: list[str]
    ranks: list[float]
    boards: int
    datasets: int
    critical_difference: float


def page(rows: Sequence[Entry], reload_after: int | None = None) -> str:
    """The page of these entries; one that is served may load itself again after some seconds, as it was left."""
    boards = {board: number for number, board in enumerate(dict.fromkeys(entry.board for entry in rows))}
    ranks = average_ranks(rows)
    words = apart(rows)
    lines: dict[tuple[object, ...], int] = {}
    for entry, its in zip(rows, words, strict=True):
        lines.setdefault(line_of(entry, its), len(lines))
    summary = {
        "boards": [_board(next(group)) for _, group in itertools.groupby(rows, key=lambda entry: entry.board)],
        "rows": [
            {"board": boards[entry.board], "line": lines[line_of(entry, its)], "apart": its, **_row(entry)}
            for entry, its in zip(rows, words, strict=True)
        ],
        "published": [line for board, number in boards.items() for line in _published(board, number)],
        "sources": sources(entry.values.learner for entry in rows),
        "averageRanks": vars(ranks) if ranks else None,
    }
    shown = _hardest(rows)
    opened = "\n".join(embedded_json(details(entry, *shown.get(number, ()))) for number, entry in enumerate(rows))
    again = [f"setTimeout(() => location.reload(), {1000 * reload_after});"] if reload_after else []
    style, script = _asset("page.css"), "\n".join([*map(_asset, SCRIPTS), *again])
    digests = {name: policy_digest(text) for name, text in (("style", style), ("script", script))}
    records = [run.record for entry in rows for run in entry.runs]
    files = {"preamble": PREAMBLE, "csv": csv(rows).rstrip("\n").split("\n"), "latex": _latex(rows)}
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(_asset("page.html")).render(
        policy=f"default-src 'none'; img-src data:; style-src {digests['style']}; script-src {digests['script']}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        summary=Markup(embedded_json(summary)),
        details=Markup(opened),
        files=Markup(embedded_json(files)),
        pairs=Markup(embedded_json(paired_differences(rows))),
        runs=len(records),
        entries=len(rows),
        datasets=len({entry.values.dataset for entry in rows}),
        newest=plain(max(record.created for record in records)[:10]),
        version=version("metabench"),
    )


def average_ranks(rows: Sequence[Entry]) -> AverageRanks | None:
    """Average ranks over datasets, of the learners that meet on most boards, at most `MOST_RANKED`.

    Not every learner is on every board. Of the learners by the number of their boards, the most frequent first, as
    many are taken as make the most values (learners times boards that they share).

    Returns:
        None where no two learners share boards of five datasets.
    """
    scores: dict[str, dict[Any, float]] = defaultdict(dict)
    for entry, its in zip(rows, apart(rows), strict=True):
        if entry.rank is None:
            continue
        name = " ".join(filter(None, (entry.values.learner, entry.values.settings, its)))
        scores[name][entry.board] = entry.mean if entry.metric.more_is_better else -entry.mean
    names = sorted(scores, key=lambda name: (-len(scores[name]), name))[:MOST_RANKED]
    best: tuple[int, list[str], list[Any]] = (0, [], [])
    shared = set(scores[names[0]]) if names else set()
    for count, name in enumerate(names, 1):
        shared &= set(scores[name])
        if len({board[0] for board in shared}) < ranking.FEWEST_BLOCKS:
            break
        if count > 1 and count * len(shared) > best[0]:
            best = (count * len(shared), names[:count], sorted(shared, key=str))
    _, chosen, boards = best
    if not chosen:
        return None
    table = pd.DataFrame([[scores[name][board] for name in chosen] for board in boards], columns=chosen)
    table = table.groupby([board[0] for board in boards]).mean()  # the tasks of a dataset are one block
    averages = ranking.average_ranks(table)
    return AverageRanks(
        [plain(name) for name in averages.index],
        averages.round(3).tolist(),
        len(boards),
        len({board[0] for board in boards}),
        ranking.critical_difference(len(chosen), len(table)),
    )


def _board(entry: Entry) -> dict[str, Any]:
    values, record, metric = entry.values, entry.record, entry.metric
    return {
        **{name: plain(str(getattr(values, name))) for name in ("dataset", "split", "task", "test_fingerprint")},
        **{name: getattr(values, name) for name in ("ways", "shots", "queries")},
        "regression": record.regression,
        "metric": metric.label,
        "percent": metric.percent,
        "digits": metric.digits,
        "moreIsBetter": metric.more_is_better,
        "classes": record.dataset.classes.model_dump(),
    }


def _published(board: Board, number: int) -> list[dict[str, Any]]:
    """What papers print for the board's dataset and task, as lines of the table."""
    return [
        {
            "board": number,
            "learner": each.method,
            "settings": each.network,
            "printed": each.value,
            "mean": float(each.value),
            "transductive": True if each.transductive == "yes" else None,
            "outside_data": each.outside_data == "yes",
            "source": each.source,
            "url": web(each.url),
        }
        for each in published()
        if each.is_on(board)
    ]


def _latex(rows: Sequence[Entry]) -> list[dict[str, Any]]:
    """Tables in parts, and the number of each one's first row."""
    tables = latex_tables(rows)
    starts = itertools.accumulate((len(table.lines) for table in tables), initial=0)
    return [{"first": first, **vars(table)} for first, table in zip(starts, tables, strict=False)]


def _row(entry: Entry) -> dict[str, Any]:
    values = entry.values
    numbers = (
        "origin",
        "seeds",
        "episodes",
        "transductive",
        "outside_data",
        "test_classes",
        "parameters",
        "task_milliseconds",
    )
    return {
        "rank": None if entry.rank is None else str(entry.rank),
        "best": entry.rank.low if entry.rank else None,
        "learner": plain(values.learner, 80),
        "settings": plain(values.settings, 200),
        "chosen": ", ".join(chosen(entry)),
        "mean": entry.metric.scale * entry.mean,
        "half": values.half_width,
        "over": values.interval_over,
        "date": datetime.fromisoformat(entry.record.created).date().isoformat(),
        "tasks": [_number(values.tasks_low), _number(values.tasks_high)],
        "low": values.low,
        "high": values.high,
        "floor": _number(values.floor),
        **{name: getattr(values, name) for name in (*numbers, "training_seconds", "images")},
        **{name: _number(getattr(values, name)) for name in ("processor_seconds", "task_multiply_adds")},
        "over_classes": _number(values.classes_half_width),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _hardest(rows: Sequence[Entry]) -> dict[int, tuple[str | None, list[Any]]]:
    """The hardest tasks of rows, as a picture's data URI or as texts: of the best ranks first, while they fit."""
    left, found = PICTURES_BYTES, {}
    for number, entry in sorted(enumerate(rows), key=lambda numbered: _best(numbered[1])):
        shown = next(
            ((picture, tasks) for picture, tasks in map(_shown, reversed(entry.runs)) if picture or tasks), None
        )
        size = len(embedded_json(shown))
        if shown and size <= left:
            left -= size
            found[number] = shown
    return found


def _shown(run: Run) -> tuple[str | None, list[Any]]:
    """A run's hardest tasks: of pictures the picture, of texts the tasks."""
    if run.record.dataset.kind in TEXTS:
        tasks = read_shown(run.folder / HARDEST_PAGE) if run.folder else None
        return None, [task.model_dump(exclude_defaults=True) for task in tasks or ()]
    return _picture(run), []


def _best(entry: Entry) -> float:
    return entry.rank.low if entry.rank else math.inf


def _picture(run: Run) -> str | None:
    """A run's picture, if it is one: the file may have come from elsewhere with the record."""
    path = run.folder / HARDEST_FILE if run.folder else Path()
    try:
        if not path.is_file() or path.stat().st_size > PICTURE_BYTES:
            return None
        with Image.open(path, formats=["PNG"]) as picture:
            if max(picture.size) > PICTURE_SIDE:
                return None
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


@cache
def _asset(name: str) -> str:
    return (files("metabench.board") / "assets" / name).read_text(encoding="utf-8")
