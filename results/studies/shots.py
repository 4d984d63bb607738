"""Accuracy against shots, of several ways to carry knowledge over: `python results/studies/shots.py PICTURE NAME=RUN…`.

Each RUN is a folder with the `curve.csv` that `metabench curve` writes there; NAME is what its line is called.
`results/README.md` has the commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from metabench.metrics.metric import METRICS
from metabench.pictures.charts import draw_curve
from metabench.rerun.curve import CURVE_FILE


@click.command()
@click.argument("picture", type=Path)
@click.argument("named", metavar="NAME=RUN...", nargs=-1, required=True)
@click.option("--title", default="")
def main(picture: Path, named: Sequence[str], title: str) -> None:
    """Draw a line for each run, on the same tasks."""
    parts = []
    for each in named:
        name, _, folder = each.partition("=")
        table = pd.read_csv(Path(folder) / CURVE_FILE)
        parts.append(table[~table["floor"]].assign(learner=name))
    draw_curve(pd.concat(parts, ignore_index=True), METRICS["accuracy"], picture, title)


if __name__ == "__main__":
    main()
