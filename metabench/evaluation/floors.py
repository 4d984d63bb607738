"""Floors: what the same test tasks give without training, so that a learner's score means something."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.bank import SPANS
from episodes.banks.vocabulary import TextShape
from episodes.episode import EpisodeBatch
from episodes.sampling.source import EpisodeSource
from metabench.errors import UsageError
from metabench.evaluation.loop import evaluate
from metabench.learner import Learner, Problem, TrainingOptions
from metabench.registry import floor_classes

CHANCE = "chance"
ZERO, SUPPORT_MEAN = "zero", "support mean"


class Zero(Learner):
    """Regression: the prediction is always 0."""

    regression = True

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        return torch.zeros_like(episodes.query)


class SupportMean(Learner):
    """Regression: the prediction is the mean of the task's known outputs."""

    regression = True

    def classify(self, episodes: EpisodeBatch) -> Tensor:
        return episodes.support_labels.mean(1, keepdim=True)[..., None].expand_as(episodes.query)


def floor_learners(problem: Problem, backbone: str, seed: int) -> dict[str, Learner]:
    """Learners without training, by the floor's name.

    For classes those registered as `metabench.floors`: the nearest neighbour in pixels, and the nearest class mean in
    the features of the backbone with its first weights; left out where the backbone is a plug-in's own. In regression
    0, and the mean of the support. Of words the nearest class mean alone.

    Args:
        problem: what the learner that they stand beside is built for.
        backbone: that learner's network.
        seed: of the random weights.

    Raises:
        UsageError: a floor that cannot be imported.
    """
    if problem.regression:
        return {ZERO: Zero(problem, TrainingOptions()), SUPPORT_MEAN: SupportMean(problem, TrainingOptions())}
    floors: dict[str, Learner] = {}
    kind = "text" if isinstance(problem.image_shape, TextShape) else "images"
    kind = problem.task.kinds[0] if problem.words else kind
    for name, learner in floor_classes().items():
        if kind not in learner.kinds:
            continue
        with torch.random.fork_rng(devices=[]), suppress(UsageError):  # training is the same whatever floors there are
            torch.manual_seed(seed)
            floors[name] = learner(problem, replace(learner.Options(), backbone=backbone, steps=0))
            for module in floors[name].modules():
                forget = getattr(module, "forget", None)  # of a network that came with weights
                if callable(forget):
                    forget()
    return floors


def floor_scores(
    learners: Mapping[str, Learner], source: EpisodeSource, ways: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """The score of each floor on each of the tasks 0 to E - 1, `[E]`.

    Guessing is right once in as many times as a task has ways: `chance` is that, of each task. Spans have no such
    chance: those that are guessed agree with hardly any.

    Args:
        learners: those of `floor_learners`, on the source's device.
        source: the test tasks.
        ways: of each task, `[E]`; 1 in regression, where there is no chance.
    """
    scores = {name: evaluate(learner, source, len(ways), f"floor {name}") for name, learner in learners.items()}
    return scores if ZERO in learners or source.bank.kind in SPANS else {CHANCE: 1 / ways, **scores}
