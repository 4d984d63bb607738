"""Scores against labelled examples, pre-trained or not: `python results/studies/examples.py PICTURE RECORD…`.

The records are of all-way tasks, with and without `--weights`; each dataset has a panel. Small dots are single draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter
from numpy.typing import NDArray

from metabench.records.reader import read_record, record_file
from metabench.records.record import RunRecord

NAMES = {True: "pre-trained, then fine-tuned", False: "fine-tuned from random weights"}
SHIFTS = (0.95, 1.05)  # of their draws, to stand side by side
FLOORS = {"tfidf": ("TF-IDF", "--"), "random network": ("untrained network", "-."), "chance": ("chance", ":")}
METRICS = {"accuracy": "accuracy, %", "span_f1": "span F1, %"}


@click.command()
@click.argument("picture", type=Path)
@click.argument("folders", type=Path, nargs=-1, required=True)
def main(picture: Path, folders: Sequence[Path]) -> None:
    """Draw a line for runs that began with weights, one for those that did not, and one for each floor."""
    runs = [read_record(record_file(folder)) for folder in folders]
    names = list(dict.fromkeys(record.dataset.name for record, _ in runs))
    figure, panels = plt.subplots(1, len(names), figsize=(5.5 * len(names), 4.2), layout="constrained", squeeze=False)
    for axes, name in zip(panels[0], names, strict=True):
        _panel(axes, [(record, of) for record, of in runs if record.dataset.name == name])
    panels[0][0].legend(fontsize="small")
    figure.savefig(picture, dpi=120)


def _panel(axes: Axes, runs: Sequence[tuple[RunRecord, NDArray[np.float64]]]) -> None:
    shots = sorted({record.config.task.shots for record, _ in runs})
    for (began, name), shift in zip(NAMES.items(), SHIFTS, strict=True):
        draws = {record.config.task.shots: 100 * of for record, of in runs if (record.weights is not None) == began}
        (line,) = axes.plot(shots, [draws[number].mean() for number in shots], marker="o", label=name)
        for number in shots:
            axes.plot([shift * number] * len(draws[number]), draws[number], ".", color=line.get_color(), alpha=0.5)
    floors = {record.config.task.shots: record.floors for record, _ in runs if record.weights is None}
    for floor, (name, style) in FLOORS.items():
        if all(floor in floors[number] for number in shots):
            axes.plot(shots, [100 * floors[number][floor].mean for number in shots], style, color="grey", label=name)
    first = runs[0][0]
    axes.set(title=first.dataset.name, xlabel="labelled examples per class", ylabel=METRICS[first.score.metric])
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xticks(shots)
    axes.minorticks_off()


if __name__ == "__main__":
    main()
