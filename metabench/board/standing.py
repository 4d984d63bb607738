"""A new run's place among the records at hand."""

from __future__ import annotations

from pathlib import Path

from metabench.board.rows import Entry, entries
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.keys import board_of, row_of
from metabench.records.record import RunRecord
from metabench.records.runs import read_runs

MOST_NAMED = 3


def standing(record: RunRecord, results: Path) -> str | None:
    """Its rank on its dataset and task, in one line, by `metabench.board.rows.entries`; pooled with its other seeds.

    Args:
        record: of a run in the results.
        results: the folder.

    Returns:
        None where it is the only learner there, or the folder cannot be read.
    """
    try:
        runs, _ = read_runs(results)
    except UsageError:
        return None
    row = row_of(record)
    same_tasks = [run for run in runs if board_of(run.record) == row.board]
    ranked = [entry for entry in entries(same_tasks) if entry.rank is not None]
    own = next((entry for entry in ranked if entry.row == row), None)
    if own is None or len(ranked) < 2:
        return None
    seeds = f", over {own.values.seeds} seeds" if own.values.seeds > 1 else ""
    assert own.rank is not None
    line = f"rank {own.rank} of {len(ranked)} on these tasks, of the records below {results}{seeds}"
    better = [_name(entry) for entry in ranked if entry.rank and entry.rank.high < own.rank.low]
    equal = [
        _name(entry)
        for entry in ranked
        if entry is not own and entry.rank and entry.rank.low <= own.rank.high and own.rank.low <= entry.rank.high
    ]
    line += f"; after {_listed(better)}" if better else ""
    line += f"; shares ranks with {_listed(equal)}" if equal else ""
    return line + (" (*: one seed, its variance borrowed)" if own.rank.borrowed else "")


def _name(entry: Entry) -> str:
    changed = entry.values.settings
    return plain(f"{entry.values.learner} ({changed})" if changed else entry.values.learner, 60)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
