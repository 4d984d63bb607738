"""The leaderboard as LaTeX, for papers: a table for each dataset and task, which needs the package booktabs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from metabench.board.rows import Entry
from metabench.board.text import notes, score, title
from metabench.escape import latex_text

PREAMBLE = "% \\usepackage{booktabs}"
HEADINGS = ("Rank", "Learner", "Settings", "", "Floor", "Seeds", "Tasks", "Parameters", "Notes")
KINDS = "lllrrrrrl"  # of the columns, as in tabular


@dataclass(frozen=True)
class LatexTable:
    """A table in parts, so that some of its lines can be left out.

    Attributes:
        head: until the first line of the body.
        lines: one for each entry.
        foot: what follows the last.
    """

    head: str
    lines: tuple[str, ...]
    foot: str

    def __str__(self) -> str:
        return "\n".join((self.head, *self.lines, self.foot))


def latex(rows: Sequence[Entry]) -> str:
    """A table for each dataset and task; text of records is escaped."""
    return "\n\n".join([PREAMBLE, *map(str, latex_tables(rows))]) + "\n"


def latex_tables(rows: Sequence[Entry]) -> list[LatexTable]:
    """The tables of entries, board by board; columns of which a board has nothing are left out."""
    return [_table(list(board)) for _, board in itertools.groupby(rows, key=lambda entry: entry.board)]


def _table(board: Sequence[Entry]) -> LatexTable:
    metric = board[0].metric
    ranked = [entry.mean for entry in board if entry.ranked]
    best = (max if metric.more_is_better else min)(ranked, default=None)
    cells = [_cells(entry, entry.ranked and entry.mean == best) for entry in board]
    kept = [place for place in range(len(HEADINGS)) if any(line[place] for line in cells)]
    unit = metric.label.capitalize() + (r", \%" if metric.percent else "")
    headings = [HEADINGS[place] or unit for place in kept]
    head = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{title(board[0], latex_text)}. {_caption(board)}}}",
        rf"  \begin{{tabular}}{{{''.join(KINDS[place] for place in kept)}}}",
        r"    \toprule",
        f"    {' & '.join(headings)} \\\\",
        r"    \midrule",
    ]
    lines = tuple(f"    {' & '.join(line[place] for place in kept)} \\\\" for line in cells)
    return LatexTable("\n".join(head), lines, "    \\bottomrule\n  \\end{tabular}\n\\end{table}")


def _cells(entry: Entry, is_best: bool) -> list[str]:
    values, digits = entry.values, entry.metric.digits
    equal = not is_best and entry.rank is not None and entry.rank.low == 1
    alone = "t" if values.interval_over == "tasks" and entry.record.seeded else ""
    marks = ",".join(filter(None, (r"\dagger" if equal else "", alone)))
    rank = "" if entry.rank is None else str(entry.rank).replace("-", "--").replace("*", "$^*$")
    return [
        rank or "--",
        rf"\texttt{{{latex_text(values.learner)}}}",
        rf"\texttt{{{latex_text(values.settings)}}}" if values.settings else "",
        f"${_score(entry, is_best)}{f'{{}}^{{{marks}}}' if marks else ''}$",
        "" if values.floor != values.floor else f"{values.floor:.{digits}f}",
        str(values.seeds) if entry.record.seeded else "--",
        f"{values.episodes:,}",
        f"{values.parameters:,}",
        latex_text(", ".join(notes(entry))),
    ]


def _score(entry: Entry, is_best: bool) -> str:
    """In mathematics: the mean, and its interval by ± or, where that would leave what can be, by its arms."""
    mean, *interval = score(entry).split(" ")
    shown = rf"\mathbf{{{mean}}}" if is_best else mean
    if len(interval) == 2 and interval[0] == "±":
        return rf"{shown} \pm {interval[1]}"
    return shown + "".join(f"{place}{{{arm}}}" for place, arm in zip("_^", interval, strict=False))


def _caption(board: Sequence[Entry]) -> str:
    metric = board[0].metric
    said = [
        f"{metric.label.capitalize()}{' in percent' if metric.percent else ', of which less is better,'} with its "
        r"95\% interval over training seeds and test tasks, or where marked $t$ over tasks alone.",
        "Bold: the best mean.",
    ]
    if any(entry.rank and entry.rank.low == 1 for entry in board):
        said.append(r"$\dagger$: no learner is significantly better.")
    if any(entry.rank for entry in board):
        said.append(r"Ranks: over training seeds and test tasks, all pairs corrected by Holm, 5\%.")
    if any(entry.rank and entry.rank.borrowed for entry in board):
        said.append("$*$: one seed, its variance borrowed.")
    return " ".join(said)
