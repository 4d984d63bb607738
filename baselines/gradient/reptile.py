"""Reptile (Nichol, Achiam, Schulman 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from baselines.gradient._inner_loop import blocks
from baselines.gradient._learner import StepLearner
from baselines.gradient._presets import PRESETS
from metabench.learner import Count, Kind, LabelledEpisodeBatch, Paper, Source, option

# Of the paper's 5-way Omniglot experiments (appendix A), but for the inner rate, which is Adam's there.
OMNIGLOT: dict[str, Any] = {"inner_steps": 5, "test_inner_steps": 50, "train_shots": 10}
OMNIGLOT |= {"meta_batch": 5, "inner_learning_rate": 0.1}


class Reptile(StepLearner):
    """Move the initial weights towards those that gradient steps on a task lead to.

    Nichol et al. 2018, algorithm 2: on each task `inner_steps` steps on minibatches of `inner_batch` images, shuffled
    anew once all have been used, lead from the weights φ to W; the mean of φ - W over the tasks is the gradient of the
    outer optimiser. It is that of the loss shown, half the squared distance from φ to W (section 5.2). No query has a
    part in training: an episode draws one for each class, which is left unused. A test task takes its steps on the
    whole support.

    Differs from the paper: the inner steps are plain SGD in place of Adam, and on the whole support in test; the outer
    optimiser is Adam with a cosine schedule in place of a step that shrinks linearly; batch normalisation of queries is
    by the support's statistics, as in `maml`, unless `transductive=true`.
    """

    @dataclass(frozen=True)
    class Options(StepLearner.Options):
        inner_batch: Count = option(10, "images in an inner step in training, at most all of the task's")

    options: Options
    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Nichol, Alex and Achiam, Joshua and Schulman, John",
                "On First-Order Meta-Learning Algorithms",
                2018,
                "https://arxiv.org/abs/1803.02999",
            ),
        ),
    )
    presets: ClassVar = {
        "glyphs": {**PRESETS["glyphs"], **OMNIGLOT, "steps": 1000},
        "omniglot": {**PRESETS["omniglot"], **OMNIGLOT},
        "sinusoid": {
            **{name: value for name, value in PRESETS["sinusoid"].items() if name != "train_queries"},
            "inner_steps": 5,
        },
        "text": PRESETS["text"],
    }

    def training_queries(self) -> int:
        return 1  # as few as an episode may have

    def loss(self, episodes: LabelledEpisodeBatch) -> Iterator[Tensor]:
        rates = self.rates(self.options.inner_steps)
        for block in blocks(episodes):
            start = self.start(block.support, block.support_labels, block.ways)
            weights, tasks = start, torch.arange(len(block))[:, None]
            for rate, chosen in zip(rates, self.minibatches(*block.support.shape[:2]), strict=True):
                images, labels = block.support[tasks, chosen], block.support_labels[tasks, chosen]
                weights = self.inner_loop().adapt(weights, images, labels, [rate])
            apart = [(start[name] - weights[name]).square().sum() for name in start]
            yield torch.stack(apart).sum() / (2 * len(episodes))

    def minibatches(self, tasks: int, images: int) -> Tensor:
        """`[inner_steps, tasks, m]`, which of a task's images each step is on."""
        steps, size = self.options.inner_steps, min(self.options.inner_batch, images)
        rounds = -(-steps * size // images)
        shuffled = torch.rand(tasks, rounds, images).argsort(-1).flatten(1)
        return shuffled[:, : steps * size].view(tasks, steps, size).transpose(0, 1)
