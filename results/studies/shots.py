"""Accuracy against shots, of several ways to carry knowledge over to new classes.

`python results/studies/shots.py gather TABLE.csv NAME=RUN…` puts the `curve.csv` that `metabench curve` wrote to each
RUN's folder into one table, under names of one's own; `draw TABLE.csv PICTURE` draws it. `results/README.md` has the
commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from metabench.metrics.metric import METRICS
from metabench.pictures.charts import draw_curve
from metabench.rerun.curve import CURVE_FILE


@click.group()
def main() -> None:
    pass


@main.command()
@click.argument("table", type=Path)
@click.argument("named", metavar="NAME=RUN...", nargs=-1, required=True)
def gather(table: Path, named: Sequence[str]) -> None:
    """Write the curves of RUN... to TABLE, without their floors."""
    parts = []
    for each in named:
        name, _, folder = each.partition("=")
        curve = pd.read_csv(Path(folder) / CURVE_FILE)
        parts.append(curve[~curve["floor"]].assign(learner=name))
    pd.concat(parts, ignore_index=True).to_csv(table, index=False)


@main.command()
@click.argument("table", type=Path)
@click.argument("picture", type=Path)
@click.option("--title", default="")
def draw(table: Path, picture: Path, title: str) -> None:
    """Draw a line for each name."""
    draw_curve(pd.read_csv(table), METRICS["accuracy"], picture, title)


if __name__ == "__main__":
    main()
