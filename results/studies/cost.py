"""Error against the training it took, of all learners on one task: `python results/studies/cost.py TABLE.csv PICTURE`.

`metabench leaderboard --csv TABLE.csv` makes the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from metabench.registry import get_learner

HEIGHT, WIDTH = 8.0, 45.0  # of a name in points, and half of its width with the way from its dot
SHIFTS = sorted(range(-60, 61), key=abs)  # of its middle in halves of its height, the nearest first


@click.command()
@click.argument("table", type=Path)
@click.argument("picture", type=Path)
@click.option("--dataset", default="glyphs")
@click.option("--ways", default=5)
@click.option("--shots", type=int, multiple=True, default=(1, 5))
def main(table: Path, picture: Path, dataset: str, ways: int, shots: tuple[int, ...]) -> None:
    """Draw a panel for each number of shots, of the learners at their default settings that were trained."""
    rows = pd.read_csv(table)
    rows = rows[(rows.dataset == dataset) & (rows.ways == ways) & rows.settings.isna() & (rows.multiply_adds > 0)]
    figure, panels = plt.subplots(1, len(shots), figsize=(6.0 * len(shots), 7.0), layout="constrained", squeeze=False)
    families = rows.learner.map(lambda name: get_learner(name).source.family)
    rows = rows.assign(family=families, cost=rows.multiply_adds / 1e12, error=100 - rows["mean"])
    colours = {family: f"C{number}" for number, family in enumerate(sorted(set(families)))}
    for axes, number in zip(panels[0], shots, strict=True):
        _panel(axes, rows[rows.shots == number].sort_values("mean"), colours)
        axes.set_title(f"{dataset}, {ways}-way {number}-shot")
    panels[0][0].set_ylabel("error on unseen classes, %")
    panels[0][0].legend(fontsize="small", loc="lower right")
    figure.savefig(picture, dpi=110)


def _panel(axes: Axes, rows: pd.DataFrame, colours: Mapping[str, str]) -> None:
    axes.set(xscale="log", yscale="log", xlabel="training, 10^12 multiply-adds")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    for family, colour in colours.items():
        some = rows[rows.family == family]
        if len(some):
            axes.scatter(some.cost, some.error, s=24, color=colour, label=family)
    axes.margins(x=0.3)
    _write_names(axes, rows, colours)


def _write_names(axes: Axes, rows: pd.DataFrame, colours: Mapping[str, str]) -> None:
    """Each beside its dot, as near as the others and their dots leave room."""
    axes.figure.canvas.draw()  # by which the places in the picture are known
    places = axes.transData.transform(rows[["cost", "error"]]) / axes.figure.dpi * 72
    dots = zip(rows.cost, rows.error, strict=True)
    taken: list[tuple[float, float]] = []
    for name, family, dot, (x, y) in zip(rows.learner, rows.family, dots, places, strict=True):
        tries = [(side, y + HEIGHT * shift / 2) for shift in SHIFTS for side in (1, -1)]
        side, height = next(each for each in tries if _free(x + WIDTH * each[0], each[1], taken, places))
        taken.append((x + WIDTH * side, height))
        axes.annotate(
            name,
            dot,
            (14 * side, height - y),
            textcoords="offset points",
            fontsize=7,
            va="center",
            ha="left" if side > 0 else "right",
            color=colours[family],
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "grey", "shrinkA": 0, "shrinkB": 2},
        ).set_in_layout(False)


def _free(middle: float, height: float, names: Sequence[tuple[float, float]], dots: Iterable[Any]) -> bool:
    """Whether a name there, its middle in points, is beside all others and off all dots."""
    return all(abs(height - other) >= HEIGHT or abs(middle - beside) >= 2 * WIDTH for beside, other in names) and all(
        abs(height - y) >= HEIGHT / 2 or abs(middle - x) >= WIDTH - 1 for x, y in dots
    )


if __name__ == "__main__":
    main()
