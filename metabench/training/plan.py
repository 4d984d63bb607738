"""What training is given and what it says of itself: the log, the plan, the stages' data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from episodes.banks.bank import SPANS
from episodes.dataset import Dataset
from episodes.episode import LabelledEpisodeBatch
from episodes.errors import DataError
from episodes.sampling.batches import BatchSampler
from episodes.sampling.sampler import sampler
from episodes.sampling.source import EpisodeSource
from episodes.sampling.texts import TextSampler
from episodes.tasks.named import NamedTask
from episodes.tasks.regression import RegressionTask
from episodes.tasks.spans import with_words
from metabench.errors import UsageError
from metabench.learner import Batches, Episodes, FixedTask, Stage, Texts, Trainable
from metabench.training.signals import Stop


@dataclass
class TrainingLog:
    """What training did, for the record and the checkpoint.

    Attributes:
        curve: rows of stage, step, loss (mean since the row before) and `validation_accuracy`, in regression
            `validation_squared_error`, or the stage's own values.
        best: the step of each finished or running stage whose weights were kept, and its validation score.
        seconds: time spent in training, validation included, over all interruptions; as `images`, without stages of
            companions that the learner does without.
        processor_seconds: the same in processor time of all threads of this process, and of the other ranks' together.
        multiply_adds: of the training steps' matrix products and convolutions, forward and back, without validation:
            those of each stage's first step, for every step.
        images: images (points in regression, of words the sentences) seen in training steps, repeats counted.
    """

    curve: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, dict[str, float]] = field(default_factory=dict)
    seconds: float = 0.0
    processor_seconds: float = 0.0
    multiply_adds: int = 0
    images: int = 0


@dataclass(frozen=True)
class TrainingPlan:
    """How to train: everything that is not the learner's or the dataset's.

    Attributes:
        seed: from which the order of episodes and batches derives.
        precision: `float32`, or `bfloat16` for mixed precision.
        validation: where validation episodes come from, on the device that is trained on; None where every stage has
            values of its own.
        validation_episodes: how many per validation.
        checkpoint: the file to keep the state in.
        identity: what makes it this run, kept in the checkpoint so that only the same run is resumed from it.
        named_tasks: the only tasks that training episodes may be, by the names of their classes; none for any.
        stop: of the run, which signals ask to stop.
        watch: called with the training curve whenever it has a new row, when the checkpoint has it too.
        shared: a folder in which runs with the same first stage share it (see `metabench.training.shared`).
    """

    seed: int
    precision: str
    validation: EpisodeSource | None
    validation_episodes: int
    checkpoint: Path
    identity: dict[str, Any]
    named_tasks: Sequence[tuple[str, ...]] = ()
    stop: Stop = field(default_factory=Stop)
    watch: Callable[[Sequence[dict[str, Any]]], None] | None = None
    shared: Path | None = None


def check_stages(learner: Trainable, dataset: Dataset[Any], named_tasks: Sequence[tuple[str, ...]] = ()) -> None:
    """Raise UsageError if a stage is not as the contract has it, or asks for more than the training bank has."""
    stages = learner.stages()
    if not isinstance(stages, Sequence) or not all(isinstance(stage, Stage) for stage in stages):
        raise UsageError(f"stages() gives {stages!r:.100}; the contract is a list of metabench.learner.Stage")
    names = [stage.name for stage in stages]
    for stage in stages:
        problem = ""
        if not isinstance(stage.data, Episodes | Batches | Texts):
            problem = f"its data is {stage.data!r:.100}; the contract is Episodes, Batches or Texts"
        elif not any(parameter.requires_grad for parameter in stage.module.parameters()):
            problem = "its module has no parameter to train; leave the stage out"
        elif names.count(stage.name) > 1:
            problem = "another stage has the same name; give each its own"
        if problem:
            raise UsageError(f"stage '{stage.name}': {problem}")
        if not stage.options.steps:
            continue  # it gets no data
        try:
            _check_data(stage.data, dataset, named_tasks)
        except DataError as error:
            raise UsageError(f"stage '{stage.name}': {error}; {_advice(learner, stage.data)}") from None


def _advice(learner: Trainable, data: Episodes | Batches | Texts) -> str:
    """Which options change what a stage asks for, as users write them."""
    options = getattr(learner, "Options", None)
    names = [item.name for item in fields(options) if item.name.startswith("train_")] if options else []
    if not names or not isinstance(data, Episodes):
        return "change the learner's options"
    return f"--set {', '.join(names[:-1])} and {names[-1]} say what training asks for"


def _check_data(
    data: Episodes | Batches | Texts, dataset: Dataset[Any], named_tasks: Sequence[tuple[str, ...]]
) -> None:
    if dataset.kind not in data.kinds:
        raise DataError(f"it asks for {' or '.join(data.kinds)}, and '{dataset.train.name}' has {dataset.kind}")
    if isinstance(data, Batches):
        BatchSampler(dataset.train, data.size, seed=0)
    elif isinstance(data, Texts):
        TextSampler(dataset.train, data.size, seed=0)
    else:
        if dataset.kind in SPANS and data.batch > 1:
            raise DataError(f"it asks for {data.batch} tasks at a time, and tasks of words differ in size: ask for one")
        task = with_words(training_task(data, named_tasks), dataset.kind)
        task.check(dataset.train, prefix="training ")


def training_task(data: Episodes, named_tasks: Sequence[tuple[str, ...]]) -> FixedTask | RegressionTask:
    """What the learner asked for, or the named tasks with as many images per class."""
    task = data.task
    if not named_tasks:
        return task
    numbers = {"ways": len(named_tasks[0]), "groups": "any", "distractors": 0}  # the classes are chosen
    return NamedTask(**{**vars(task), **numbers, "names": tuple(named_tasks)})


def _data(
    stage: Stage, dataset: Dataset[Any], plan: TrainingPlan, seed: int, device: torch.device
) -> Callable[[int], tuple[int, Any]]:
    """A function from a step's number to (how many images, the data)."""
    if isinstance(stage.data, Texts):
        texts = TextSampler(dataset.train, stage.data.size, seed, device)
        return lambda step: (texts.size, texts.batch(step))
    if isinstance(stage.data, Batches):
        batches = BatchSampler(dataset.train, stage.data.size, seed, device)
        return lambda step: (batches.size, batches.batch(step))
    task, count = training_task(stage.data, plan.named_tasks), stage.data.batch
    source = sampler(dataset.train, task, seed, device)
    if dataset.kind in SPANS:
        return lambda step: _of_words(source.batch([step]))
    return lambda step: (count * task.images, source.batch(range(step * count, (step + 1) * count)).to_float())


def _of_words(batch: LabelledEpisodeBatch) -> tuple[int, LabelledEpisodeBatch]:
    """Its number of sentences, or of their windows, and the batch."""
    return batch.support.shape[1] + batch.query.shape[1], batch
