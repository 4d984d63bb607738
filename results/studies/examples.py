"""Accuracy against labelled examples, pre-trained or not: `python results/studies/examples.py PICTURE RECORD…`.

The records are of all-way tasks of one dataset, with and without `--weights`; `results/README.md` has the commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter

from metabench.records.reader import read_record, record_file

NAMES = {True: "pre-trained, then fine-tuned", False: "fine-tuned from random weights"}
UNTRAINED = "random network"


@click.command()
@click.argument("picture", type=Path)
@click.argument("folders", type=Path, nargs=-1, required=True)
def main(picture: Path, folders: Sequence[Path]) -> None:
    """Draw a line for runs that began with weights, one for those that did not, and one for networks left untrained."""
    records = [read_record(record_file(folder))[0] for folder in folders]
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    for began, name in NAMES.items():
        some = [record for record in records if (record.weights is not None) == began]
        _line(axes, {record.config.task.shots: (record.score.mean, record.score.half_width) for record in some}, name)
    floors = {each.config.task.shots: each.floors for each in records if each.weights is None}
    untrained = {shots: found[UNTRAINED] for shots, found in floors.items()}
    _line(axes, {shots: (floor.mean, floor.half_width) for shots, floor in untrained.items()}, "left untrained")
    chance = min(found["chance"].mean for found in floors.values())
    axes.axhline(100 * chance, color="grey", linestyle=":", label="chance")
    axes.set(title=records[0].dataset.name, xlabel="labelled examples per class", ylabel="accuracy, %")
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_xticks(sorted(floors))
    axes.minorticks_off()
    axes.legend(fontsize="small")
    figure.savefig(picture, dpi=120)


def _line(axes: Axes, points: dict[int, tuple[float, float]], name: str) -> None:
    shots = sorted(points)
    means, arms = zip(*(points[number] for number in shots), strict=True)
    axes.errorbar(shots, [100 * mean for mean in means], [100 * arm for arm in arms], marker="o", capsize=3, label=name)


if __name__ == "__main__":
    main()
