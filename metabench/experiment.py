"""run(): the only place where dataset, learner, training, evaluation and record are wired together."""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from episodes.dataset import Dataset
from episodes.manifest import Manifest
from episodes.sampling.source import EpisodeSource
from metabench.checks import broken_points
from metabench.config import RunConfig, changed_options, learner_options, make_config
from metabench.environment import choose_device, describe_environment, process_as_found
from metabench.errors import RunError, UsageError
from metabench.floors import floor_learners
from metabench.hardest import draw_answered, draw_hardest
from metabench.learner import Learner, Problem, TrainingOptions
from metabench.loggers import check_packages, logged
from metabench.predictions import digest
from metabench.records import Banks, DatasetInfo, RunRecord, Training, now
from metabench.registry import faults_of, get_learner
from metabench.runs import (
    CHECKPOINT_FILE,
    claim_folder,
    find_checkpoint,
    in_folder,
    kept,
    load_run,
    restore,
    save_run,
)
from metabench.scoring import score_learner
from metabench.signals import Stop
from metabench.tasks import config_here, load_data, scored_tasks, validation_tasks, with_frozen
from metabench.training import TrainingPlan, check_stages, train


def run(*, resume: bool = False, **settings: Any) -> RunRecord:
    """Train a learner, score it on unseen classes, and write the record: `metabench run` as a call.

    Args:
        resume: go on from the checkpoint that an interrupted run of the same settings left.
        settings: the fields of `metabench.config.RunConfig`.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: training failed or was interrupted.
    """
    return run_config(make_config(**settings), resume=resume)


def run_config(config: RunConfig, *, resume: bool = False) -> RunRecord:
    """As `run`, for a RunConfig."""
    with process_as_found(), Stop() as stop:
        return _run_config(config, resume, stop)


def _run_config(config: RunConfig, resume: bool, stop: Stop) -> RunRecord:
    check_packages(config)
    config, manifest = with_frozen(config)
    device = choose_device(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    learner_class = get_learner(config.learner)
    _check_kind(config, learner_class)
    with faults_of(learner_class, config.learner, UsageError):
        options = learner_options(learner_class, config.learner, config.dataset, config.options)
    config = _resolve(config, device, options)

    dataset = load_data(config)
    config, test = scored_tasks(config, dataset, manifest, device)
    validation = validation_tasks(config, dataset, device)
    learner = build(config, dataset, options)
    _check_ways(config, learner)
    floors = floor_learners(learner.problem, options.backbone, config.seed)
    with faults_of(learner_class, config.learner, UsageError):
        _refuse_idle(config, learner_class, learner)
        check_stages(learner, dataset, config.train_task)
        _check_contract(config, learner.to(device), validation)

    about = _dataset_info(dataset, manifest)
    identity = {"config": config.recorded.model_dump(mode="json"), "data": about.model_dump()}
    folder, state = find_checkpoint(config, identity) if resume else (claim_folder(config), None)
    kept_of = partial(kept, folder / CHECKPOINT_FILE)
    faults = faults_of(learner_class, config.learner, RunError, kept_of)
    with in_folder(folder), logged(folder, config) as loggers, faults:
        plan = TrainingPlan(
            seed=config.seed,
            precision=config.precision,
            validation=validation,
            named_tasks=config.train_task,
            validation_episodes=config.validation_episodes,
            checkpoint=folder / CHECKPOINT_FILE,
            identity=identity,
            stop=stop,
            watch=loggers.rows,
        )
        log = train(learner, dataset, plan, state)
        on_device = {name: each.to(device) for name, each in floors.items()}
        scored = score_learner(learner, on_device, test, config, validation)
        config = config.model_copy(update={"episodes": scored.episodes})
        record = RunRecord(
            id=folder.name,
            created=now(),
            config=config.recorded,
            changed_options=changed_options(learner_class, config.learner, config.dataset, config.options),
            dataset=about,
            transductive=learner.transductive,
            outside_data=learner.outside_data,
            score=scored.score,
            companions=scored.companions,
            floors=scored.floors,
            predictions=digest(scored.predictions) if scored.predictions else None,
            contract=broken_points(learner, validation),
            training=Training(**asdict(log)),
            evaluation_seconds=scored.seconds,
            peak_memory_megabytes=scored.peak_megabytes,
            environment=describe_environment(device),
        )
        save_run(folder, record, scored.accuracies, scored.predictions, learner)
        _draw(folder, test, scored.accuracies["learner"], learner, config.learner)
        loggers.finish(record)
    return record


def _draw(folder: Path, test: EpisodeSource, of_tasks: NDArray[np.float64], learner: Learner, name: str) -> None:
    """The picture of the hardest tasks. No trouble with it may cost a run that is done: it is warned of."""
    try:
        draw_hardest(folder, test, of_tasks, learner, name)
    except Exception as error:
        warnings.warn(f"there is no picture of the hardest tasks: {error}", RuntimeWarning, stacklevel=2)


def draw_task(path: Path, episode: int = 0, run_folder: Path | None = None, **settings: Any) -> None:
    """Draw a test task to a picture file: `metabench show` as a call.

    Args:
        path: the picture; its ending chooses the format.
        episode: the task's number, at least 0.
        run_folder: a finished run whose learner answers the queries.
        settings: fields of RunConfig; by default those of the run, if given.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
    """
    saved = load_run(run_folder) if run_folder else None
    config = config_here(saved[0] if saved else {}, **{**settings, "device": "cpu"})
    config, manifest = with_frozen(config)
    dataset = load_data(config)
    config, source = scored_tasks(config, dataset, manifest, "cpu")
    learner = None
    if saved:
        learner_class = get_learner(config.learner)
        _check_kind(config, learner_class)
        with faults_of(learner_class, config.learner, UsageError):
            learner = build(config, dataset, learner_options(learner_class, config.learner, "", config.options))
            _check_ways(config, learner)
            restore(learner, saved[1], run_folder)
    with faults_of(type(learner), config.learner, RunError) if learner else nullcontext():
        draw_answered(source, episode, path, learner, config.learner, dataset.test.name)


def _check_kind(config: RunConfig, learner: type[Learner]) -> None:
    if config.regression and not learner.regression:
        raise UsageError(
            f"learner '{config.learner}' classifies, and --dataset {config.dataset} asks for regression; "
            "`metabench list learners` says which can"
        )


def _refuse_idle(config: RunConfig, learner_class: type[Learner], learner: Learner) -> None:
    idle = learner.idle_options()
    for name, value in changed_options(learner_class, config.learner, config.dataset, config.options).items():
        if name in idle:
            raise UsageError(f"--set {name}={value} changes nothing, since {idle[name]}; leave it out")


def _check_contract(config: RunConfig, learner: Learner, validation: EpisodeSource) -> None:
    """Raise UsageError if the untrained learner breaks its contract on tasks as it will meet."""
    broken = broken_points(learner, validation)
    if broken:
        raise UsageError(
            f"learner '{config.learner}' breaks the contract of learners: {'; '.join(broken)}; fix it, or declare it, "
            "since its scores would not compare with others'"
        )


def _check_ways(config: RunConfig, learner: Learner) -> None:
    if not learner.fixed_ways:
        return
    only = f"learner '{config.learner}' classifies tasks of {config.ways} ways and no others"
    if config.task == "variable":
        raise UsageError(f"{only}; --task variable draws tasks of differing ways: choose another learner")
    for names in config.train_task:
        if len(names) != config.ways:
            raise UsageError(
                f"{only}; --train-task {','.join(names)} has {len(names)} classes: name as many as in the test tasks"
            )


def build(config: RunConfig, dataset: Dataset[Any], options: TrainingOptions) -> Learner:
    """The untrained learner that the configuration asks for; its first weights follow from the seed."""
    torch.manual_seed(config.seed)
    problem = Problem(dataset.train.item_shape, dataset.train.classes, config.shape)
    learner_class = get_learner(config.learner)
    with faults_of(learner_class, config.learner, UsageError):
        learner = learner_class(problem, options)
        if getattr(learner, "problem", None) is not problem:
            raise UsageError(f"learner '{config.learner}': its __init__ must call super().__init__(problem, options)")
    return learner


def _resolve(config: RunConfig, device: torch.device, options: TrainingOptions) -> RunConfig:
    """The configuration with nothing left to be chosen, as the record keeps it."""
    mixed = config.precision == "auto" and device.type == "cuda"
    chosen = {
        "options": asdict(options),
        "device": device.type,
        "precision": "bfloat16" if mixed or config.precision == "bfloat16" else "float32",
        "threads": torch.get_num_threads(),
    }
    return config.model_copy(update=chosen)


def _dataset_info(dataset: Dataset[Any], manifest: Manifest | None) -> DatasetInfo:
    train, validation, test = dataset.train, dataset.validation, dataset.test
    return DatasetInfo(
        name=dataset.name,
        split=dataset.split,
        image_shape=dataset.test.item_shape,
        fingerprints=Banks(train=train.fingerprint, validation=validation.fingerprint, test=test.fingerprint),
        classes=Banks(train=train.classes, validation=validation.classes, test=test.classes),
        tasks=manifest.digest if manifest else None,
    )
