"""Validation accuracy against processor time: how the default budgets of the learners were chosen.

`python results/studies/budget.py run TABLE.csv --learner maml --steps 350 --set meta_batch=2` trains a learner and
adds a row to TABLE.csv; `draw TABLE.csv PICTURE` draws the rows, a line for each setting. `results/README.md` has the
commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import matplotlib.pyplot as plt
import pandas as pd
import torch
from matplotlib.ticker import ScalarFormatter
from shared import add_row, spent

from episodes import EpisodeSampler, FixedTask, load
from metabench.evaluation.loop import evaluate
from metabench.learner import Problem
from metabench.registry import get_learner, learner_options

TASKS = 600  # of validation, for the accuracy that is drawn; training itself validates as `metabench run` does


@click.group()
def main() -> None:
    pass


@main.command()
@click.argument("table", type=Path)
@click.option("--learner", required=True)
@click.option("--dataset", default="glyphs")
@click.option("--ways", default=5)
@click.option("--shots", default=1)
@click.option("--steps", type=int, required=True)
@click.option("--set", "settings", multiple=True)
@click.option("--seed", default=0)
def run(
    table: Path, learner: str, dataset: str, ways: int, shots: int, steps: int, settings: Sequence[str], seed: int
) -> None:
    """Train on one thread and add a row to TABLE: processor seconds, and accuracy on 600 validation tasks."""
    torch.set_num_threads(1)
    given = dict(setting.split("=", 1) for setting in settings) | {"steps": str(steps)}
    options = learner_options(get_learner(learner), learner, dataset, given)
    data, task = load(dataset), FixedTask(ways, shots, 15)
    torch.manual_seed(seed)
    built = get_learner(learner)(Problem(data.train.item_shape, data.train.classes, task), options)
    validation = EpisodeSampler(data.validation, task, seed=0)
    seconds = spent(built, data, task, seed)
    row = {
        "learner": learner,
        "task": f"{dataset}, {ways}-way {shots}-shot",
        "settings": " ".join(settings) or "defaults",
        "seed": seed,
        "steps": options.steps,
        "processor_seconds": round(seconds, 1),
        "validation_accuracy": round(100 * float(evaluate(built, validation, TASKS).mean()), 2),
    }
    add_row(table, row)


@main.command()
@click.argument("table", type=Path)
@click.argument("picture", type=Path)
def draw(table: Path, picture: Path) -> None:
    """Draw the rows of TABLE: a point for each run, a line for each setting through its means over seeds."""
    rows = pd.read_csv(table)
    tasks = rows["task"].unique()
    figure, axes = plt.subplots(1, len(tasks), figsize=(6 * len(tasks), 4.5), layout="constrained", squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        for (name, settings), each in rows[rows["task"] == task].groupby(["learner", "settings"], sort=False):
            means = each.groupby("steps")[["processor_seconds", "validation_accuracy"]].mean()
            (line,) = axis.plot(*means.to_numpy().T, marker="o", label=f"{name} {settings}")
            axis.scatter(each["processor_seconds"], each["validation_accuracy"], s=8, color=line.get_color())
        axis.set(title=task, xlabel="processor seconds of training, one thread", ylabel="validation accuracy, %")
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.legend(fontsize="small", loc="lower right")
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
