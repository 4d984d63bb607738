"""What a run's predictions say, as short tables: the part of `metabench inspect` that the record alone gives."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from episodes.banks.bank import SPANS
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.predictions import predictions_file, read_predictions
from metabench.records.reader import read_record
from metabench.records.record import RECORD_FILE, RunRecord
from metabench.reports.summary import headline, tails
from metabench.stats.diagnostics import BINS, by_class, by_group, confusions, reliability
from metabench.texts.html import Table

MOST = 10  # rows of a table
PERCENT = ("accuracy", "mean confidence", "share", "precision", "recall", "F1")  # columns of fractions


@dataclass(frozen=True, eq=False)
class Report:
    """What a run's predictions say.

    Attributes:
        record: of the run.
        predictions: its own (see `metabench.records.predictions`); none of a run of words.
        tables: by their titles.
    """

    record: RunRecord
    predictions: pd.DataFrame
    tables: dict[str, pd.DataFrame]

    @property
    def lines(self) -> tuple[str, str]:
        """The run and its values."""
        return headline(self.record), tails(self.record)

    def __str__(self) -> str:
        """For the terminal."""
        tables = [f"{title}:\n{_printed(table)}" for title, table in self.tables.items()]
        return "\n\n".join(["\n".join(self.lines), *tables])

    def for_page(self) -> list[Table]:
        """The tables for a page."""
        return [_for_page(title, table) for title, table in self.tables.items()]


def inspect(folder: Path) -> Report:
    """Calibration, worst classes, groups and most confused pairs of a run.

    Args:
        folder: of the run.

    Raises:
        UsageError: the folder has no record, or no predictions that can be used.
    """
    record, accuracies = read_record(folder / RECORD_FILE)
    if record.dataset.kind in SPANS:
        raise UsageError(f"'{folder}' has spans of words as predictions, which its record does not keep")
    if record.regression:
        raise UsageError(f"'{folder}' is a regression, whose predictions are numbers; inspect a run of classification")
    predictions = read_predictions(predictions_file(folder), accuracies)
    classes, groups, pairs = by_class(predictions), by_group(predictions), confusions(predictions)
    tables = {
        f"Calibration, in {BINS} bins of confidence": _calibration(reliability(predictions)),
        _title("Classes", "lowest accuracy", len(classes)): classes.head(MOST),
    }
    if 1 < len(groups) < len(classes):  # where each class is its own group they say nothing else
        tables[_title("Groups", "lowest accuracy", len(groups))] = groups.head(MOST)
    if len(pairs):
        pairs = pairs.rename(columns={"prediction": "taken for", "queries": "times"})
        tables[_title("Confused pairs", "the most often", len(pairs))] = pairs.head(MOST)
    return Report(record, predictions, tables)


def _title(what: str, first: str, count: int) -> str:
    return f"{what}, {first} first ({min(MOST, count)} of {count})"


def _calibration(bins: pd.DataFrame) -> pd.DataFrame:
    bins = bins[bins["queries"] > 0]
    spans = [f"{low:.2f} to {high:.2f}" for low, high in zip(bins["low"], bins["high"], strict=True)]
    table = bins[["queries", "confidence", "accuracy"]].rename(columns={"confidence": "mean confidence"})
    table.insert(0, "confidence", spans)
    return table


def _printed(table: pd.DataFrame) -> str:
    """In columns: fractions in percent, names to the left."""
    shown = table.map(lambda value: plain(value) if isinstance(value, str) else value)
    for name in table.columns.astype(str):
        if shown[name].dtype.kind == "f":
            shown[name] = [f"{100 * value:.2f}" for value in shown[name]]
        elif shown[name].dtype.kind not in "iu":
            width = max(map(len, [name, *shown[name]]))
            shown[name] = [value.ljust(width) for value in shown[name]]
            shown = shown.rename(columns={name: name.ljust(width)})
    return shown.rename(columns=_with_units(shown)).to_string(index=False)


def _for_page(title: str, table: pd.DataFrame) -> Table:
    numbers = [kind.kind in "iuf" for kind in table.dtypes]
    columns = [
        [f"{100 * value:.2f}" if kind.kind == "f" else str(value) for value in table[name]]
        for name, kind in table.dtypes.items()
    ]
    heads = [str(name) for name in table.rename(columns=_with_units(table))]
    return Table(title, heads, list(zip(*columns, strict=True)), numbers)


def _with_units(table: pd.DataFrame) -> dict[str, str]:
    return {name: f"{name} %" for name in PERCENT if name in table}
