"""The leaderboard as text: for a terminal, CSV for machines and spreadsheets, Markdown for pages."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Callable, Sequence

import pandas as pd

from metabench.board.rows import Entry, frame
from metabench.escape import csv_cell, markdown_cell, plain
from metabench.metrics.metric import with_interval

HEADINGS = (
    "Rank",
    "Learner",
    "Settings",
    "",
    "± classes",
    "± tasks",
    "Floor",
    "Seeds",
    "Tasks",
    "Parameters",
    "Training, s",
    "ms/task",
    "Notes",
)
LEARNER = 26  # characters that a learner's name and settings have on a line


def csv(rows: Sequence[Entry]) -> str:
    """A row per entry, in the columns of `metabench.board.rows.COLUMNS`; text of records is escaped."""
    table = frame(rows)
    for name in table.columns:
        if any(isinstance(value, str) for value in table[name]):
            table[name] = [csv_cell(value) for value in table[name]]
    return table.to_csv(index=False)


def printable(rows: Sequence[Entry], width: int) -> str:
    """The leaderboard for a terminal: a heading and a table for each dataset and task, with what fits the width.

    Args:
        rows: board by board.
        width: characters in a line; a learner's name with its settings comes last, on several lines if it is longer.
    """
    parts = []
    for _, board in itertools.groupby(rows, key=lambda entry: entry.board):
        on_board = list(board)
        table = pd.DataFrame([_shown(entry) for entry in on_board])
        table = table.loc[:, [name for name in table if table[name].astype(bool).any()]]
        names, numbers = table["learner"], table.drop(columns="learner")
        for name in list(numbers)[:1:-1]:  # all but rank and score; the last are the first to go
            if len(numbers.to_string(index=False).splitlines()[0]) + 2 + LEARNER <= width:
                break
            numbers = numbers.drop(columns=name)
        lines = beside(numbers.to_string(index=False).splitlines(), ["learner", *names], width)
        parts.append("\n".join([*textwrap.wrap(plain(title(on_board[0], plain)), width), *lines]))
    over = "Interval: 95% over training seeds and test tasks, or with one seed over tasks alone (t)."
    if any(entry.values.interval_over == "queries" for entry in rows):
        over = over[:-1] + "; of a single task over its queries (q), and without a rank."
    stars = (
        "" if not any(entry.rank and entry.rank.borrowed for entry in rows) else " *: one seed, its variance borrowed."
    )
    return "\n\n".join([*parts, textwrap.fill(over + stars, width)])


def beside(numbers: Sequence[str], names: Sequence[str], width: int) -> list[str]:
    """Lines of numbers, and beside each its name, which goes on below itself."""
    start = len(numbers[0]) + 2
    lines = []
    for number, name in zip(numbers, names, strict=True):
        first, *others = textwrap.wrap(name, max(LEARNER, width - start), subsequent_indent="  ") or [""]
        lines += [f"{number}  {first}", *(" " * start + other for other in others)]
    return lines


def _shown(entry: Entry) -> dict[str, str]:
    """Columns in the order in which they are shown, and the name last."""
    values, digits = entry.values, entry.metric.digits
    alone = {"tasks": "t" if entry.record.seeded else "", "queries": "q"}.get(values.interval_over, "")
    said = ", ".join(notes(entry))
    name = " ".join(filter(None, (values.learner, values.settings, f"[{said}]" if said else "")))
    return {
        "rank": "-" if entry.rank is None else str(entry.rank),
        entry.metric.label + (", %" if entry.metric.percent else ""): score(entry) + alone,
        "± classes": "" if math.isnan(values.classes_half_width) else f"{values.classes_half_width:.{digits}f}",
        "± tasks": "" if math.isnan(values.tasks_half_width) else f"{values.tasks_half_width:.{digits}f}",
        "floor": "" if math.isnan(values.floor) else f"{values.floor:.{digits}f}",
        "seeds": str(values.seeds) if entry.record.seeded else "-",
        "tasks": str(values.episodes),
        "train s": f"{values.training_seconds:.0f}",
        "ms/task": f"{values.task_milliseconds:.1f}",
        "parameters": f"{values.parameters:,}",
        "learner": plain(name),
    }


def score(entry: Entry) -> str:
    """The mean ± its interval's longer arm; both ends where ± would leave what an accuracy can be."""
    metric = entry.metric
    mean, half_width, low, high = (
        getattr(entry.values, name) / metric.scale for name in ("mean", "half_width", "low", "high")
    )
    if metric.percent and not half_width <= mean <= 1 - half_width:
        return with_interval(metric, mean, mean - low, high - mean)
    return f"{entry.values.mean:.{metric.digits}f} ± {entry.values.half_width:.{metric.digits}f}"


def markdown(rows: Sequence[Entry]) -> str:
    """A heading and a table for each dataset and task (GitHub's Markdown); text of records is escaped."""
    parts = []
    for _, board in itertools.groupby(rows, key=lambda entry: entry.board):
        on_board = list(board)
        metric = on_board[0].metric
        headings = [name or metric.label.capitalize() + (", %" if metric.percent else "") for name in HEADINGS]
        lines = [headings, ["---", "---", "---", *["--:"] * 9, "---"], *map(_cells, on_board)]
        parts.append(
            f"## {title(on_board[0], markdown_cell)}\n\n"
            + "\n".join(f"| {' | '.join(line)} |" for line in lines)
            + "\n"
        )
    return "\n".join(parts)


def title(entry: Entry, escape: Callable[[str], str]) -> str:
    """The board's dataset and task, split and test data in a line, what comes from records escaped."""
    values = entry.values
    split, fingerprint = escape(values.split), escape(values.test_fingerprint)
    parts = [escape(values.dataset)]
    if entry.record.config.numbers:
        ways = "" if entry.record.regression else f"{values.ways}-way "
        parts.append(f"{ways}{values.shots}-shot")
    parts += [escape(values.task)] if values.task else []
    return f"{', '.join(parts)} (split {split}, test data {fingerprint})"


def notes(entry: Entry) -> list[str]:
    """What is to be known of an entry beside its values, in words."""
    origin = entry.values.origin
    facts = {"transductive": entry.record.transductive, "outside data": entry.record.outside_data}
    seen = {"test classes in it": entry.record.test_classes == "yes"}
    return [name for name, holds in {**facts, **seen, origin: origin != "own"}.items() if holds] + chosen(entry)


def chosen(entry: Entry) -> list[str]:
    """From how many settings an entry's own were chosen, and what that took; nothing where they were given."""
    tries, seconds = entry.values.tries, entry.values.search_seconds
    return [f"chosen from {tries} on validation, {seconds:,.0f} s"] if tries > 1 else []


def _cells(entry: Entry) -> list[str]:
    values, shown = entry.values, _shown(entry)
    return [
        "" if entry.rank is None else str(entry.rank).replace("*", "\\*"),
        *(markdown_cell(values.learner), markdown_cell(values.settings)),
        score(entry),
        *(shown[name] for name in ("± classes", "± tasks", "floor")),
        *(str(values.seeds), str(values.episodes), f"{values.parameters:,}"),
        *(f"{values.training_seconds:.0f}", f"{values.task_milliseconds:.1f}"),
        ", ".join(notes(entry)),
    ]
