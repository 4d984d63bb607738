"""Time to accuracy: MAML here and by learn2learn, with the same network, recipe and tasks.

`python results/studies/race.py run TABLE.csv` trains both on one thread, as README's first command does (glyphs, 3-way
5-shot), but with queries that are normalised by their own statistics, as learn2learn's users have it. Each validation
is a row in TABLE.csv, with the processor seconds of training up to it; `draw TABLE.csv PICTURE` draws them.
`results/README.md` has the commands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import learn2learn
import matplotlib.pyplot as plt
import pandas as pd
import torch
import torch.nn.functional as F
from shared import add_row
from torch import Tensor, nn

from baselines.backbones import Layers, build_backbone
from baselines.gradient.maml import MAML
from episodes import EpisodeSampler, FixedTask, load
from episodes.episode import LabelledEpisodeBatch
from metabench.evaluation.loop import evaluate
from metabench.experiment.memory import keep_freed_memory
from metabench.learner import Problem
from metabench.registry import learner_options

TASKS = 200  # of validation
EVERY = 50  # steps


@click.group()
def main() -> None:
    pass


@main.command()
@click.argument("table", type=Path)
@click.option("--ways", default=3)
@click.option("--shots", default=5)
@click.option("--steps", default=1000)
@click.option("--seed", default=0)
def run(table: Path, ways: int, shots: int, steps: int, seed: int) -> None:
    """Train both and add their rows to TABLE."""
    keep_freed_memory()
    torch.set_num_threads(1)
    data, task = load("glyphs"), FixedTask(ways, shots)
    options = learner_options(MAML, "maml", "glyphs", {"transductive": "true", "steps": str(steps)})
    assert isinstance(options, MAML.Options)
    validation = EpisodeSampler(data.validation, task, seed=0)
    training = EpisodeSampler(data.train, FixedTask(ways, shots, options.train_queries), seed=seed + 1)
    for name in ("metabench", "learn2learn"):
        torch.manual_seed(seed)
        learner = MAML(Problem(data.train.item_shape, data.train.classes, task), options)
        network, step = _here(learner) if name == "metabench" else _there(learner)
        optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        seconds = 0.0
        for number in range(steps):
            started = time.process_time()
            first = number * options.meta_batch
            optimizer.zero_grad()
            step(training.batch(range(first, first + options.meta_batch)).to_float())
            optimizer.step()
            schedule.step()
            seconds += time.process_time() - started
            if (number + 1) % EVERY == 0:
                learner.network.load_state_dict(network.state_dict())
                accuracy = 100 * float(evaluate(learner, validation, TASKS).mean())
                row: dict[str, object] = {"library": name, "task": f"{ways}-way {shots}-shot", "seed": seed}
                row |= {
                    "step": number + 1,
                    "processor_seconds": round(seconds, 2),
                    "validation_accuracy": round(accuracy, 2),
                }
                add_row(table, row)


def _here(learner: MAML) -> tuple[nn.Module, Callable[[LabelledEpisodeBatch], None]]:
    def step(batch: LabelledEpisodeBatch) -> None:
        for part in learner.loss(batch):
            torch.autograd.backward(part)

    return learner.network, step


def _there(learner: MAML) -> tuple[nn.Module, Callable[[LabelledEpisodeBatch], None]]:
    """The same weights under learn2learn, with torch's batch normalisation."""
    shape, options = learner.problem.image_shape, learner.options
    norm = partial(nn.BatchNorm2d, track_running_stats=False)
    head: Any = learner.network[1]
    network = Layers(build_backbone(options.backbone, shape, norm=norm), nn.Linear(head.in_features, head.out_features))
    network.load_state_dict(learner.network.state_dict())
    maml = learn2learn.algorithms.MAML(network, lr=options.inner_learning_rate)

    def error(model: Any, images: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(model(images), labels)

    def step(batch: LabelledEpisodeBatch) -> None:
        for number in range(len(batch)):
            clone = maml.clone()
            for _ in range(options.inner_steps):
                clone.adapt(error(clone, batch.support[number], batch.support_labels[number]))
            loss = error(clone, batch.query[number], batch.query_labels[number]) / len(batch)
            torch.autograd.backward(loss)

    return network, step


@main.command()
@click.argument("table", type=Path)
@click.argument("picture", type=Path)
def draw(table: Path, picture: Path) -> None:
    """Draw accuracy against time, a line for each library and seed."""
    figure, axis = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    colours = {"metabench": "tab:blue", "learn2learn": "tab:orange"}
    rows = pd.read_csv(table)
    for library, colour in colours.items():
        for seed, some in rows[rows["library"] == library].groupby("seed"):
            label = library if seed == 0 else None
            axis.plot(some["processor_seconds"], some["validation_accuracy"], color=colour, label=label)
    axis.axhline(95, color="grey", linestyle=":")
    axis.set(xlabel="processor seconds of training, one thread", ylabel="validation accuracy, %")
    axis.legend()
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    main()
