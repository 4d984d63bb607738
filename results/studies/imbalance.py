"""What transductive learners lose where a task's queries are not balanced (Veilleux et al. 2021).

`python results/studies/imbalance.py run TABLE.csv --dataset glyphs` pre-trains one network, as `simpleshot` does, and
tests it under every head on the same tasks, with as many queries of each class and with proportions from Dirichlet(2).
Each head gets two rows in TABLE.csv; `draw TABLE.csv PICTURE` draws them. `results/README.md` has the commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import matplotlib.pyplot as plt
import pandas as pd
import torch
from shared import add_row, spent

from baselines.bases.pretrained import PretrainedLearner
from episodes import DataOptions, EpisodeSampler, FixedTask, load
from metabench.evaluation.loop import evaluate
from metabench.learner import Problem
from metabench.registry import get_learner, learner_options
from metabench.stats.intervals import mean_interval

NETWORK = "simpleshot"
HEADS = (NETWORK, "laplacianshot", "bd_cspn", "transductive_finetune", "tim", "alpha_tim", "pt_map")
QUERIES = {"balanced": "none", "imbalanced": "dirichlet:2"}


@click.group()
def main() -> None:
    pass


@main.command()
@click.argument("table", type=Path)
@click.option("--dataset", required=True)
@click.option("--image-size", type=int)
@click.option("--split")
@click.option("--data-root", type=Path)
@click.option("--shots", default=[1, 5], multiple=True)
@click.option("--steps", type=int, help="Of pre-training; default the learner's own.")
@click.option("--episodes", default=600)
@click.option("--seed", default=0)
def run(
    table: Path,
    dataset: str,
    image_size: int | None,
    split: str | None,
    data_root: Path | None,
    shots: Sequence[int],
    steps: int | None,
    episodes: int,
    seed: int,
) -> None:
    """Pre-train, test every head, and add two rows for each to TABLE."""
    data = load(dataset, DataOptions(data_root=data_root, image_size=image_size, split=split))
    task = FixedTask(5, 1, 15)
    given = {} if steps is None else {"steps": str(steps)}

    def made(name: str) -> PretrainedLearner:
        options = learner_options(get_learner(name), name, dataset, given)
        learner = get_learner(name)(Problem(data.train.item_shape, data.train.classes, task), options)
        assert isinstance(learner, PretrainedLearner)
        return learner

    torch.manual_seed(seed)
    base = made(NETWORK)
    spent(base, data, task, seed)
    for name in HEADS:
        learner = base if name == NETWORK else made(name)
        if learner is not base:
            learner.backbone.load_state_dict(base.backbone.state_dict())
        for number in shots:
            for kind, imbalance in QUERIES.items():
                drawn = replace(task, shots=number, query_imbalance=imbalance)
                scores = 100 * evaluate(learner, EpisodeSampler(data.test, drawn, seed=0), episodes, name)
                found = mean_interval(scores)
                row = {"dataset": data.name, "shots": number, "learner": name, "queries": kind, "seed": seed}
                row |= {"accuracy": round(found.mean, 2), "half_width": round(found.half_width, 2)}
                add_row(table, row)


@main.command()
@click.argument("table", type=Path)
@click.argument("picture", type=Path)
def draw(table: Path, picture: Path) -> None:
    """Draw the means over seeds: a line for each head, from balanced to imbalanced queries."""
    rows = pd.read_csv(table)
    panels = list(rows.groupby(["dataset", "shots"], sort=False))
    size = (1.5 + 2.6 * len(panels), 3.4)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, layout="constrained", squeeze=False)
    for axis, ((dataset, shots), some) in zip(axes[0], panels, strict=True):
        means = (
            some.groupby(["learner", "queries"])["accuracy"].mean().unstack().reindex(index=HEADS, columns=[*QUERIES])
        )
        for place, name in enumerate(reversed(HEADS)):
            pair = means.loc[name]
            axis.plot(pair, [place, place], color="0.6", zorder=1)
            for kind, colour in zip(QUERIES, ("tab:blue", "tab:red"), strict=True):
                axis.scatter(pair[kind], place, color=colour, zorder=2, label=f"{kind} queries" if not place else None)
        axis.set_yticks(range(len(HEADS)), [*reversed(HEADS)])
        axis.set(title=f"{dataset}\n5-way {shots}-shot", xlabel="accuracy, %")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
