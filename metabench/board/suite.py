"""The table of a suite: one row per learner, its accuracy on each set, and its average rank over them."""

from __future__ import annotations

import textwrap
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from episodes.errors import counted
from metabench.board.lines import apart, line_of
from metabench.board.rows import Entry
from metabench.board.text import beside, score
from metabench.escape import csv_cell, plain
from metabench.records.keys import Board
from metabench.stats import ranking


@dataclass(frozen=True)
class SuiteRow:
    """A learner on all sets of a suite.

    Attributes:
        name: of the learner, with its settings.
        of_sets: its row on each set, by the set's name.
        average_rank: over the sets, 1 the best; equals share the mean of their places.
    """

    name: str
    of_sets: Mapping[str, Entry]
    average_rank: float


def suite_rows(rows: Sequence[Entry], boards: Mapping[Board, str]) -> list[SuiteRow]:
    """The learners that are on all boards, by their average rank, the best first.

    Ranks are of the means on each board, as in Demšar 2006 (JMLR 7, section 3.2.2), whether they differ significantly
    or not. What was added from elsewhere and not verified is left out, as are rows that broke the contract of learners.

    Args:
        rows: of a leaderboard.
        boards: what each is called.
    """
    found: dict[tuple[object, ...], dict[str, Entry]] = defaultdict(dict)
    names: dict[tuple[object, ...], str] = {}
    wanted = [entry for entry in rows if entry.board in boards and entry.ranked]
    for entry, words in zip(wanted, apart(wanted), strict=True):
        line = line_of(entry, words)
        found[line][boards[entry.board]] = entry
        names[line] = plain(" ".join(filter(None, (entry.values.learner, entry.values.settings, words))))
    sets = list(dict.fromkeys(boards.values()))
    lines = [line for line, of_sets in found.items() if len(of_sets) == len(sets)]
    whole = [{name: found[line][name] for name in sets} for line in lines]
    if not whole:
        return []
    means = [[each.mean if each.metric.more_is_better else -each.mean for each in made.values()] for made in whole]
    ranks = ranking.average_ranks(pd.DataFrame(means).T)
    return [SuiteRow(names[lines[place]], whole[place], float(ranks[place])) for place in map(int, ranks.index)]


def printable(made: Sequence[SuiteRow], sets: Sequence[str], width: int) -> str:
    """The table for a terminal; without intervals where a line has no room for them.

    Args:
        made: the rows.
        sets: in the order of the columns.
        width: characters in a line.
    """
    columns = {"rank": [f"{row.average_rank:.2f}" for row in made], "mean": [_mean(row) for row in made]}
    names = ["learner", *(row.name for row in made)]
    for show in (score, _alone):
        cells = {name: [show(row.of_sets[name]) for row in made] for name in sets}
        lines = pd.DataFrame({**columns, **cells}).to_string(index=False).splitlines()
        if len(lines[0]) + 2 + max(map(len, names)) <= width:
            break
    return "\n".join([*beside(lines, names, width), "", *textwrap.wrap(_note(made, sets), width)])


def csv(made: Sequence[SuiteRow], sets: Sequence[str]) -> str:
    """The table with a line per learner: `learner`, `average_rank`, and of each set its mean and its half-width."""
    lines = []
    for row in made:
        cells: dict[str, object] = {"learner": csv_cell(row.name), "average_rank": round(row.average_rank, 3)}
        for name in sets:
            values = row.of_sets[name].values
            cells |= {csv_cell(name): values.mean, csv_cell(f"{name} half_width"): values.half_width}
        lines.append(cells)
    return pd.DataFrame(lines).to_csv(index=False)


def _mean(row: SuiteRow) -> str:
    entries = list(row.of_sets.values())
    return f"{fmean(entry.values.mean for entry in entries):.{entries[0].metric.digits}f}"


def _alone(entry: Entry) -> str:
    return f"{entry.values.mean:.{entry.metric.digits}f}"


def _note(made: Sequence[SuiteRow], sets: Sequence[str]) -> str:
    text = f"rank: average over {counted(len(sets), 'sets')}, by the mean on each"
    if len(made) < 2 or len(sets) < ranking.FEWEST_BLOCKS:
        return f"{text}."
    critical = ranking.critical_difference(len(made), len(sets))
    return f"{text}; average ranks that are closer than {critical:.2f} do not differ significantly (Nemenyi, 5%)."
