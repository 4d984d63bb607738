"""The leaderboard as a page: one HTML file that needs nothing else, opened from a disk or a server.

The template is `page/page.html`; its script draws the table and the plots from two blocks of JSON, and writes whatever
came from a record as text, never as markup. The page's own policy (Content-Security-Policy) allows its one script and
one style sheet by their digests, pictures in the page itself, and no request.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from metabench import ranking
from metabench.command import command
from metabench.config import RunConfig
from metabench.escape import plain
from metabench.hardest import HARDEST_FILE
from metabench.leaderboard import Entry, Run
from metabench.records import RunRecord

SCRIPTS = ("state.js", "plots.js", "details.js", "table.js")
MOST_RUNS = 20  # of a row, that are shown one by one
MOST_POINTS = 60  # of a learning curve
MOST_FLOORS = 8
PICTURE_BYTES, PICTURES_BYTES = 2**20, 24 * 2**20  # one, and all: a page should open at once
PICTURE_SIDE = 4000
MOST_RANKED = 20  # of whom average ranks are drawn


@dataclass(frozen=True)
class AverageRanks:
    """Ranks of learners, averaged over the boards on which all of them are.

    Attributes:
        names: of the learners with their settings, the best first.
        ranks: their average ranks, equals sharing the mean of their places.
        boards: how many.
        datasets: of how many datasets.
        critical_difference: Nemenyi's: two learners whose average ranks are closer are not told apart.
    """

    names: list[str]
    ranks: list[float]
    boards: int
    datasets: int
    critical_difference: float


def page(rows: Sequence[Entry]) -> str:
    """The page of these entries."""
    boards = {board: number for number, board in enumerate(dict.fromkeys(entry.board for entry in rows))}
    ranks = average_ranks(rows)
    summary = {
        "boards": [_board(next(group)) for _, group in itertools.groupby(rows, key=lambda entry: entry.board)],
        "rows": [_row(entry, boards[entry.board]) for entry in rows],
        "averageRanks": vars(ranks) if ranks else None,
    }
    pictures = _pictures(rows)
    details = "\n".join(_embed(_details(entry, pictures.get(number))) for number, entry in enumerate(rows))
    style, script = _asset("page.css"), "\n".join(map(_asset, SCRIPTS))
    records = [run.record for entry in rows for run in entry.runs]
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(_asset("page.html")).render(
        policy=f"default-src 'none'; img-src data:; style-src {_digest(style)}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'",
        style=Markup(style),
        script=Markup(script),
        summary=Markup(_embed(summary)),
        details=Markup(details),
        runs=len(records),
        entries=len(rows),
        datasets=len({entry.values["dataset"] for entry in rows}),
        newest=plain(max(record.created for record in records)[:10]),
        version=version("metabench"),
    )


def average_ranks(rows: Iterable[Entry]) -> AverageRanks | None:
    """Average ranks over boards, of the learners that meet on most of them, at most `MOST_RANKED`.

    Not every learner is on every board. Of the learners by the number of their boards, the most frequent first, as
    many are taken as make the most figures (learners times boards that they share).

    Returns:
        None where no two learners share boards of two datasets.
    """
    scores: dict[str, dict[Any, float]] = defaultdict(dict)
    for entry in rows:
        if entry.unverified:
            continue
        name = f"{entry.values['learner']} {entry.values['settings']}".strip()
        # Of a learner's several rows on a board, as for other training images, the best, which comes first.
        scores[name].setdefault(entry.board, entry.mean if entry.measure.more_is_better else -entry.mean)
    names = sorted(scores, key=lambda name: (-len(scores[name]), name))[:MOST_RANKED]
    best: tuple[int, list[str], list[Any]] = (0, [], [])
    shared = set(scores[names[0]]) if names else set()
    for count, name in enumerate(names, 1):
        shared &= set(scores[name])
        if len({board[0] for board in shared}) < 2:
            break
        if count > 1 and count * len(shared) > best[0]:
            best = (count * len(shared), names[:count], sorted(shared, key=str))
    _, chosen, boards = best
    if not chosen:
        return None
    table = pd.DataFrame([[scores[name][board] for name in chosen] for board in boards], columns=chosen)
    averages = ranking.average_ranks(table)
    return AverageRanks(
        [plain(name) for name in averages.index],
        averages.round(3).tolist(),
        len(boards),
        len({board[0] for board in boards}),
        ranking.critical_difference(len(chosen), len(boards)),
    )


def _board(entry: Entry) -> dict[str, Any]:
    values, record, measure = entry.values, entry.record, entry.measure
    return {
        **{name: plain(str(values[name])) for name in ("dataset", "split", "task", "test_fingerprint")},
        **{name: values[name] for name in ("ways", "shots", "queries")},
        "regression": record.config.regression,
        "measure": measure.name,
        "percent": measure.percent,
        "digits": measure.digits,
        "moreIsBetter": measure.more_is_better,
        "classes": record.dataset.classes.model_dump(),
    }


def _row(entry: Entry, board: int) -> dict[str, Any]:
    values = entry.values
    numbers = ("rank", "origin", "seeds", "episodes", "transductive", "outside_data", "parameters", "task_milliseconds")
    return {
        "board": board,
        "learner": plain(values["learner"], 80),
        "settings": plain(values["settings"], 200),
        "mean": entry.measure.scale * entry.mean,
        "half": values["half_width"],
        **{name: values[name] for name in ("low", "high")},
        **{name: values[name] for name in (*numbers, "training_seconds", "images")},
    }


def _details(entry: Entry, picture: str | None) -> dict[str, Any]:
    record = entry.record
    changed = {*record.changed_options}
    settings = {name: getattr(record.config, name) for name in RunConfig.model_fields if name != "options"}
    fields = RunConfig.model_fields
    known = {name: value for name, value in settings.items() if value is not None and not fields[name].exclude}
    return {
        "runs": [_run(run.record) for run in entry.runs[-MOST_RUNS:]],
        "hidden": max(0, len(entry.runs) - MOST_RUNS),
        "settings": [[name, _text(value), value != fields[name].default] for name, value in known.items()],
        "options": [[plain(name), _text(value), name in changed] for name, value in record.config.options.items()],
        "facts": _facts(record),
        "command": command(record),
        "frozen": bool(record.dataset.tasks),
        "picture": picture,
    }


def _run(record: RunRecord) -> dict[str, Any]:
    curves: dict[str, list[list[float | None]]] = {}
    for row in record.training.curve:
        stage = plain(str(row.get("stage", "")), 40)
        figures = [_number(row.get(name)) for name in ("step", "loss", f"validation_{record.score.measure.field}")]
        if figures[0] is not None and (stage in curves or len(curves) < 8):
            curves.setdefault(stage, []).append(figures)
    scale = record.score.measure.scale
    return {
        "id": plain(record.id, 100),
        "seed": record.config.seed,
        "testSeed": record.config.test_seed,
        "mean": scale * record.score.mean,
        "half": scale * record.score.half_width,
        "curves": {stage: _thinned(points) for stage, points in curves.items()},
        "companions": [
            [plain(name, 40), each.measure.interval(each.mean, each.half_width), each.parameters]
            for name, each in itertools.islice(record.companions.items(), 8)
        ],
    }


def _facts(record: RunRecord) -> list[list[str]]:
    environment, packages = record.environment, record.environment.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    peak = record.peak_memory_megabytes
    facts = {
        **_beyond_the_mean(record),
        "Finished": record.created,
        "Device": f"{environment.get('device', '?')}, {environment.get('threads', '?')} threads",
        "Peak memory": None if peak is None else f"{peak:,.0f} MB",
        "Evaluation": f"{record.evaluation_seconds:,.1f} s",
        "Versions": ", ".join(
            f"{name} {versions[name]}" for name in ("metabench", "torch", "numpy") if name in versions
        ),
        "Commit": environment.get("commit"),
        "Test images": record.dataset.fingerprints.test,
        "Training images": record.dataset.fingerprints.train,
        "Frozen tasks": record.dataset.tasks,
    }
    return [[name, plain(str(value), 200)] for name, value in facts.items() if value]


def _beyond_the_mean(record: RunRecord) -> dict[str, str]:
    """Floors, the worst, and calibration, as far as the record has them."""
    score, measure = record.score, record.score.measure
    floors = itertools.islice(record.floors.items(), MOST_FLOORS)
    figures: dict[str, float | None] = {f"Floor: {plain(name, 40)}": floor.mean for name, floor in floors}
    figures |= {"Worst 5% of tasks": score.worst_tasks, "Worst class": score.worst_class}
    figures["Calibration error"] = score.calibration_error
    texts = {name: measure.text(value) for name, value in figures.items() if value is not None}
    if score.task_megabytes is not None:
        texts["Memory a task"] = f"{score.task_megabytes:,.1f} MiB"
    return texts


def _pictures(rows: Sequence[Entry]) -> dict[int, str]:
    """The hardest tasks of rows as data URIs: of the best ranks first, while they fit."""
    left, found = PICTURES_BYTES, {}
    for number, entry in sorted(enumerate(rows), key=lambda numbered: numbered[1].rank or math.inf):
        picture = next(filter(None, map(_picture, reversed(entry.runs))), None)
        if picture and len(picture) <= left:
            left -= len(picture)
            found[number] = picture
    return found


def _picture(run: Run) -> str | None:
    """A run's picture, if it is one: the file came from elsewhere with the record, perhaps."""
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


def _thinned(points: list[list[float | None]]) -> list[list[float | None]]:
    if len(points) <= MOST_POINTS:
        return points
    return [points[place] for place in np.linspace(0, len(points) - 1, MOST_POINTS).round().astype(int)]


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e100
    return float(f"{value:.5g}") if usable and math.isfinite(value) else None  # type: ignore[arg-type]


def _text(value: object) -> str:
    shown = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return plain(shown, 300)


def _embed(content: object) -> str:
    """JSON in one line that no reader of HTML takes for markup, wherever in a script element it stands."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


@cache
def _asset(name: str) -> str:
    return (files("metabench") / "page" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
