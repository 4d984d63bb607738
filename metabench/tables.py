"""The leaderboard as text: for a terminal, CSV for machines and spreadsheets, Markdown for pages."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pandas as pd

from metabench.config import NUMBERS
from metabench.escape import csv_cell, markdown_cell, plain
from metabench.leaderboard import Entry, frame
from metabench.measure import ACCURACY, SQUARED_ERROR

HEADINGS = (
    "Rank",
    "Learner",
    "Settings",
    "",
    "Floor",
    "Seeds",
    "Tasks",
    "Parameters",
    "Training, s",
    "ms/task",
    "Notes",
)


def csv(rows: Sequence[Entry]) -> str:
    """A row an entry, in the columns of `metabench.leaderboard.COLUMNS`; text of records is escaped."""
    table = frame(rows)
    for name in table.columns:
        if any(isinstance(value, str) for value in table[name]):
            table[name] = [csv_cell(value) for value in table[name]]
    return table.to_csv(index=False)


def printable(table: pd.DataFrame) -> str:
    """The leaderboard for a terminal: the columns that people compare."""
    names = ["dataset", "split", "ways", "shots", "queries", "task", "rank", "learner", "settings"]
    names += ["seeds", "episodes", "transductive"]
    names += ["origin"] if (table["origin"] != "own").any() else []
    numbers = (*NUMBERS, "rank")
    shown = table[names].astype(dict.fromkeys(numbers, "string")).fillna(dict.fromkeys(numbers, ""))
    shown = shown.map(lambda cell: plain(cell) if isinstance(cell, str) else cell)
    for place, (title, measure) in enumerate(
        [("accuracy %", ACCURACY), ("squared error", SQUARED_ERROR)], names.index("learner") + 1
    ):
        means, digits = table[measure.field].astype(float), measure.digits
        if means.notna().any():
            interval = means.map(f"{{:.{digits}f}} ± ".format) + table["half_width"].map(f"{{:.{digits}f}}".format)
            shown.insert(place, title, interval.where(means.notna(), ""))
    of_errors = table[SQUARED_ERROR.field].notna()
    floors = table["floor"].map("{:.2f}".format).where(~of_errors, table["floor"].map("{:.4f}".format))
    floors = floors.where(table["floor"].notna(), "")
    shown.insert(list(shown).index("settings"), "floor", floors)
    shown["training s"] = table["training_seconds"].map("{:.0f}".format)
    shown["ms/task"] = table["task_milliseconds"].map("{:.1f}".format)
    return shown.to_string(index=False)


def markdown(rows: Sequence[Entry]) -> str:
    """A heading and a table for each dataset and task (GitHub's Markdown); text of records is escaped."""
    parts = []
    for _, board in itertools.groupby(rows, key=lambda entry: entry.board):
        on_board = list(board)
        measure = on_board[0].measure
        headings = [name or measure.name.capitalize() + (", %" if measure.percent else "") for name in HEADINGS]
        lines = [headings, ["---", "---", "---", *["--:"] * 7, "---"], *map(_cells, on_board)]
        parts.append(f"## {_title(on_board[0])}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")
    return "\n".join(parts)


def _title(entry: Entry) -> str:
    values = entry.values
    split, fingerprint = markdown_cell(values["split"]), markdown_cell(values["test_fingerprint"])
    parts = [markdown_cell(values["dataset"])]
    if entry.record.config.numbers:
        ways = "" if entry.record.config.regression else f"{values['ways']}-way "
        parts.append(f"{ways}{values['shots']}-shot")
    parts += [markdown_cell(values["task"])] if values["task"] else []
    return f"{', '.join(parts)} (split {split}, test images {fingerprint})"


def _cells(entry: Entry) -> list[str]:
    values, digits = entry.values, entry.measure.digits
    notes = [name for name, holds in (("transductive", entry.record.transductive),) if holds]
    notes += ["outside data"] if entry.record.outside_data else []
    notes += [] if values["origin"] == "own" else [values["origin"]]
    return [
        "" if entry.rank is None else str(entry.rank),
        *(markdown_cell(values["learner"]), markdown_cell(values["settings"])),
        f"{values[entry.measure.field]:.{digits}f} ± {values['half_width']:.{digits}f}",
        "" if math.isnan(values["floor"]) else f"{values['floor']:.{digits}f}",
        *(str(values["seeds"]), str(values["episodes"]), f"{values['parameters']:,}"),
        *(f"{values['training_seconds']:.0f}", f"{values['task_milliseconds']:.1f}"),
        ", ".join(notes),
    ]
