"""Charts: what a run's predictions say, and its metric against shots, ways and gradient steps."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from metabench.metrics.metric import Metric
from metabench.pictures.figure import LETTER, new_figure, save_figure, short
from metabench.stats.diagnostics import by_class, calibration_error, confusions, reliability
from metabench.stats.ranking import Ranking

BLUE, GREY, RED = "#1f5fa8", "#9a9a9a", "#c4290a"
LINES: tuple[dict[str, str], ...] = (  # of learners, distinguishable without colour
    {"fmt": "o-", "color": BLUE},
    {"fmt": "v--", "color": RED},
    {"fmt": "P-.", "color": "#7b3fa0"},
    {"fmt": "X-", "color": "#b8860b"},
    {"fmt": "d--", "color": "#1a7f4e"},
    {"fmt": "h-.", "color": "#444444"},
)
STEPS = "gradient_steps"
# Of a student's runs: the marker, its inside where that is not of its colour, and how far from its place it stands.
MARKERS = {"teacher": ("s", "", 1.0), "student": ("o", "", 1.0), "network alone": ("o", "white", 1.03)}
BARS = 12  # classes and pairs that are drawn
NAME = 44  # characters of a name
LINE = 0.3  # inches of a legend of one line


def draw_predictions(predictions: pd.DataFrame, path: Path, title: str = "") -> None:
    """The reliability diagram, beside the worst classes and the most confused pairs.

    Args:
        predictions: as of `metabench.evaluation.score.tabulate`.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        title: a line above.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    figure = new_figure((14, 4.4), title)
    left, middle, right = figure.subplots(1, 3, width_ratios=[1, 0.75, 0.75])
    _reliability(left, predictions)
    classes = by_class(predictions).head(BARS)
    _bars(middle, [short(name, NAME) for name in classes["class"]], classes["accuracy"], "worst classes, accuracy in %")
    pairs = confusions(predictions).head(BARS)
    names = [
        f"{short(name, NAME)}\nfor {short(other, NAME)}"
        for name, other in zip(pairs["class"], pairs["prediction"], strict=True)
    ]
    _bars(right, names, pairs["share"], "taken for another, % of those asked")
    save_figure(figure, path)


def draw_curve(table: pd.DataFrame, metric: Metric, path: Path, title: str = "") -> None:
    """The metric against shots, ways or gradient steps, side by side, with 95% intervals; the floors in grey.

    Args:
        table: as of `metabench.rerun.curve.curve`.
        metric: what it is a table of.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        title: a line above.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    parts = panels(table)
    figure = new_figure((0.8 + 4.2 * len(parts), 3.8), title)
    for axes, (kind, part) in zip(np.atleast_1d(figure.subplots(1, len(parts), sharey=True)), parts, strict=True):
        styles, learners = iter(("s:", "^:", "D:")), itertools.cycle(LINES)
        for (floor, name), rows in part.groupby(["floor", "learner"], sort=False):
            style = {"fmt": next(styles), "color": GREY, "ms": 4} if floor else {**next(learners), "ms": 5}
            places = rows[kind].to_numpy(dtype=float)
            means = rows[metric.name]
            arms = np.maximum(0, [means - rows["low"], rows["high"] - means])
            axes.errorbar(places, means, arms, label=name, capsize=2, **style)
        axes.set_xscale("linear" if kind == STEPS else "log")
        axes.set_xticks(sorted(part[kind].unique()), labels=map(str, sorted(part[kind].unique())))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(_axis(kind, part, metric))
        axes.grid(axis="y", color="#e6e6e6")
        axes.set_axisbelow(True)
    first = figure.axes[0]
    first.set_ylabel(f"{metric.label}{', %' if metric.percent else ''}")
    first.set_ylim(0, 101 if metric.percent else None)
    _legend_below(figure, first)
    save_figure(figure, path)


def draw_sizes(table: pd.DataFrame, metric: Metric, path: Path, title: str = "") -> None:
    """The metric of networks against their size on disk, with 95% intervals; if a size is unknown, their parameters.

    A line joins a student, the full circle, to its teacher, the square. Networks of one size stand side by side: a
    student's network alone a little to the right of it, and what another learner made of them to the right of both.

    Args:
        table: as of `metabench.rerun.distillation.distillation_report`, on the same test tasks.
        metric: what it is a table of.
        path: the picture's file; its ending chooses the format (png, pdf, svg).
        title: a line above.

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    known = "bytes_float32" in table and table["bytes_float32"].notna().all()
    places = table["bytes_float32"] / 1000 if known else table["parameters"]
    figure = new_figure((6.4, 4.4), title)
    axes, styles = figure.add_subplot(), itertools.cycle(LINES)
    for number, (learner, rows) in enumerate(table.assign(place=places).groupby("learner", sort=False)):
        colour, aside = next(styles)["color"], 1.06**number
        joined = rows[rows["network"].isin(["teacher", "student"])]
        axes.plot(aside * joined["place"], joined["mean"], ":", color=colour, lw=0.8)
        columns = (rows[name] for name in ("network", "place", "mean", "low", "high"))
        for name, place, mean, low, high in zip(*columns, strict=True):
            marker, fill, shift = MARKERS.get(name, ("d", colour, 1.0))
            style: dict[str, Any] = {"fmt": marker, "c": colour, "mfc": fill or colour, "label": f"{learner}: {name}"}
            arms = np.maximum(0, [[mean - low], [high - mean]])
            axes.errorbar([aside * shift * place], [mean], arms, ms=6, capsize=2, **style)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("kB on disk, float32 (log scale)" if known else "parameters (log scale)")
    axes.set_ylabel(f"{metric.label}{', %' if metric.percent else ''}")
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    _legend_below(figure, axes)
    save_figure(figure, path)


def panels(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The parts of such a table with an axis of their own, and against what: for gradient steps one for each shots."""
    found = []
    for kind, part in table.groupby("against", sort=False):
        each = [rows for _, rows in part.groupby("shots", sort=False)] if kind == STEPS else [part]
        found += [(str(kind), rows) for rows in each]
    return found


def _legend_below(figure: Figure, axes: Axes) -> None:
    """In as many columns as the figure's width has room for, and the figure higher by what further lines take."""
    handles, names = axes.get_legend_handles_labels()
    room = int(figure.get_figwidth() / LETTER) - 8
    labels = [textwrap.fill(name, room) for name in names]
    for columns in range(len(labels), 0, -1):
        legend = figure.legend(handles, labels, fontsize=8, ncols=columns, loc="outside lower center")
        for text in legend.get_texts():
            text.set_parse_math(False)
        size = legend.get_window_extent()
        if size.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    figure.set_figheight(figure.get_figheight() + max(0, size.height / figure.dpi - LINE))


def _axis(kind: str, part: pd.DataFrame, metric: Metric) -> str:
    if kind == STEPS:
        return f"gradient steps on the support, {part['shots'].iloc[0]} shots"
    other = "ways" if kind == "shots" else "shots"
    return f"{kind} (log scale)" + (f", {part[other].iloc[0]} {other}" if metric.percent else "")


def _reliability(axes: Axes, predictions: pd.DataFrame) -> None:
    """Accuracy against confidence (Guo et al. 2017, figure 1), each bin's bar as dark as it has many queries."""
    bins = reliability(predictions)
    bins = bins[bins["queries"] > 0]
    widths = bins["high"] - bins["low"]
    shares = bins["queries"] / bins["queries"].max()
    colours = [(*to_rgb(BLUE), 0.25 + 0.75 * share) for share in shares]
    axes.bar(bins["low"], bins["accuracy"], widths, align="edge", color=colours, edgecolor="white")
    axes.plot([0, 1], [0, 1], "--", color="black", lw=1, label="perfectly calibrated")
    axes.plot(bins["confidence"], bins["accuracy"], "o", color=RED, ms=3, label="mean confidence of the bin")
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence (darker: more queries)", ylabel="accuracy")
    axes.set_title(f"calibration error {100 * calibration_error(predictions):.2f}%", fontsize=9, loc="left")
    axes.legend(fontsize=7, loc="upper left")


def _bars(axes: Axes, names: list[str], values: pd.Series[float], title: str) -> None:
    places = range(len(names))
    axes.barh(places, 100 * values, color=BLUE)
    axes.set_yticks(places, labels=names, fontsize=6, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_title(title, fontsize=9, loc="left")


def draw_critical_differences(ranking: Ranking, path: Path) -> None:
    """Average ranks on a line, the best on the left, with bars over learners that do not differ significantly.

    By Nemenyi's test. Source: Demšar 2006, JMLR 7, section 3.2.2.

    Args:
        ranking: see `metabench.stats.ranking.rank`.
        path: the picture's file; its ending chooses the format (png, pdf, svg).

    Raises:
        UsageError: the file cannot be written, or its ending is unknown or missing.
    """
    from scikit_posthocs import critical_difference_diagram  # seconds to import

    figure = Figure(figsize=(9, 1.5 + 0.25 * len(ranking.average_ranks)), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    critical_difference_diagram(
        ranking.average_ranks,
        ranking.nemenyi,
        ax=axes,
        label_fmt_left="{label} ({rank:.2f})",
        label_fmt_right="({rank:.2f}) {label}",
    )
    axes.set_title(
        f"Average rank over {ranking.blocks} datasets; those joined by a bar do not differ significantly "
        f"(critical difference {ranking.critical_difference:.2f})",
        fontsize=9,
        pad=14,
    )
    save_figure(figure, path)
