"""`metabench inspect`: what a run's predictions say, as short tables and as a picture."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from metabench.errors import UsageError
from metabench.escape import plain
from metabench.pictures.charts import draw_predictions
from metabench.records.predictions import predictions_file, read_predictions
from metabench.records.reader import read_record
from metabench.records.record import RECORD_FILE
from metabench.reports.summary import headline, tails
from metabench.stats.diagnostics import BINS, by_class, by_group, confusions, reliability

MOST = 10  # rows of a table


def inspect(folder: Path, picture: Path | None = None) -> str:
    """Calibration, worst classes, groups and most confused pairs of a run, as text.

    Args:
        folder: of the run.
        picture: a file to draw the same to; its ending chooses the format.

    Raises:
        UsageError: the folder has no record or no predictions that can be used, or the picture cannot be written.
    """
    record, accuracies = read_record(folder / RECORD_FILE)
    if record.regression:
        raise UsageError(f"'{folder}' is a regression, whose predictions are numbers; inspect a run of classification")
    predictions = read_predictions(predictions_file(folder), accuracies)
    if picture:
        draw_predictions(predictions, picture, headline(record))
    classes, groups, pairs = by_class(predictions), by_group(predictions), confusions(predictions)
    parts = [
        f"{headline(record)}\n{tails(record)}",
        f"Calibration, in {BINS} bins of confidence:\n{_calibration(reliability(predictions))}",
        f"{_title('Classes', 'lowest accuracy', len(classes))}\n{_printed(classes)}",
    ]
    if len(groups) > 1:
        parts.append(f"{_title('Groups', 'lowest accuracy', len(groups))}\n{_printed(groups)}")
    if len(pairs):
        pairs = pairs.rename(columns={"prediction": "taken for", "queries": "times"})
        parts.append(f"{_title('Confused pairs', 'the most often', len(pairs))}\n{_printed(pairs)}")
    return "\n\n".join(parts)


def _title(what: str, first: str, count: int) -> str:
    return f"{what}, {first} first ({min(MOST, count)} of {count}):"


def _calibration(bins: pd.DataFrame) -> str:
    bins = bins[bins["queries"] > 0]
    spans = [f"{low:.2f} to {high:.2f}" for low, high in zip(bins["low"], bins["high"], strict=True)]
    table = bins[["queries", "confidence", "accuracy"]].rename(columns={"confidence": "mean confidence"})
    table.insert(0, "confidence", spans)
    return _printed(table, len(table))


def _printed(table: pd.DataFrame, rows: int = MOST) -> str:
    """The first rows: fractions in percent, names to the left."""
    shown = table.head(rows).map(lambda value: plain(value) if isinstance(value, str) else value)
    for name in table.columns.astype(str):
        if shown[name].dtype.kind == "f":
            shown[name] = [f"{100 * value:.2f}" for value in shown[name]]
        elif shown[name].dtype.kind not in "iu":
            width = max(map(len, [name, *shown[name]]))
            shown[name] = [value.ljust(width) for value in shown[name]]
            shown = shown.rename(columns={name: name.ljust(width)})
    titles = {name: f"{name} %" for name in ("accuracy", "mean confidence", "share") if name in shown}
    return shown.rename(columns=titles).to_string(index=False)
