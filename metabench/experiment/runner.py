"""run(): the only place where dataset, learner, training, evaluation and record are wired together."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from episodes.banks.bank import TEXTS
from episodes.dataset import Dataset
from episodes.sampling.source import BankSource, EpisodeSource
from metabench import ranks
from metabench.config import RunConfig, make_config
from metabench.errors import RunError
from metabench.evaluation.score import Scored, score_learner
from metabench.experiment.begin import Begun, begin, points_broken
from metabench.experiment.environment import describe_environment, process_as_found
from metabench.experiment.pretrained import network_inputs, test_classes_seen, weights_info
from metabench.learner import Learner
from metabench.loggers.group import check_packages, logged
from metabench.pictures.hardest import draw_hardest, hardest
from metabench.records.checkpoint import CHECKPOINT_FILE, find_checkpoint, kept
from metabench.records.folder import claim_folder, in_folder, save_run
from metabench.records.predictions import digest
from metabench.records.record import RunRecord, Training, now
from metabench.records.selection import Selection
from metabench.registry import faults_of, learner_name
from metabench.texts.hardest import write_hardest
from metabench.training.signals import Stop

TEXT_PACKAGES = ("transformers", "tokenizers", "scikit-learn")


def run(*, learner: str | type[Learner] = "protonet", resume: bool = False, **settings: Any) -> RunRecord:
    """Train a learner, score it on unseen classes, and write the record: `metabench run` as a call.

    Args:
        learner: a registered name, `package.module:Class`, or the class itself.
        resume: go on from the checkpoint that an interrupted run of the same settings left.
        settings: the fields of `metabench.config.RunConfig`.

    In a script that torchrun has started each of its processes calls it: they are one run, of which the first writes
    the record, and each returns it, with its own times.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: training failed or was interrupted; among the ranks of torchrun an OtherRankError where that was
            another one, which says why.
    """
    name = learner if isinstance(learner, str) else learner_name(learner)
    return run_config(make_config(learner=name, **settings), resume=resume)


def run_config(
    config: RunConfig,
    *,
    resume: bool | None = False,
    shared: Path | None = None,
    selection: Selection | None = None,
    tried: Path | None = None,
) -> RunRecord:
    """As `run`, for a RunConfig.

    Args:
        config: the settings.
        resume: None to go on from a checkpoint where there is one.
        shared: a folder in which runs with the same first stage share it (see `metabench.training.shared`).
        selection: how its options were chosen.
        tried: a folder in which a try of the same settings left its checkpoint, if it has (see
            `metabench.experiment.tries`).
    """
    with process_as_found(), Stop() as stop, ranks.joined():
        return _run_config(config, resume, shared, selection, tried, stop)


def _run_config(
    config: RunConfig,
    resume: bool | None,
    shared: Path | None,
    selection: Selection | None,
    tried: Path | None,
    stop: Stop,
) -> RunRecord:
    check_packages(config)
    begun = begin(config)
    config, run, learner = begun.config, begun.run, begun.run.learner
    folder, state = ranks.of_first(lambda: _place(begun, resume, tried))
    kept_of = partial(kept, folder / CHECKPOINT_FILE)
    faults = faults_of(run.learner_class, config.learner, RunError, kept_of)
    with in_folder(folder), logged(folder, config, learner.problem.metric.name) as loggers, faults:
        log = begun.train(folder, state, stop, shared, loggers.rows)
        scored = score_learner(learner, run.floors, run.test, config, run.validation)
        config = config.changed(episodes=scored.episodes)
        record = RunRecord(
            id=folder.name,
            created=now(),
            config=config.recorded,
            changed_options=begun.changed,
            dataset=begun.about,
            transductive=learner.transductive,
            outside_data=learner.outside_data,
            test_classes=test_classes_seen(learner, run.dataset),
            weights=weights_info(run.weights) if run.weights else None,
            inputs=network_inputs(learner),
            selection=selection,
            score=scored.score,
            companions=scored.companions,
            floors=scored.floors,
            predictions=digest(scored.predictions) if scored.predictions else None,
            contract=points_broken(learner, run.validation) if log.images else (),  # else as before
            training=Training(**asdict(log)),
            evaluation_seconds=scored.seconds,
            peak_memory_megabytes=scored.peak_megabytes,
            environment=describe_environment(run.device, *_packages(learner, run.dataset)),
        )
        if ranks.first():
            save_run(folder, record, scored.accuracies, scored.predictions, learner)
            _show_hardest(folder, run.test, scored, learner, config)
            loggers.finish(record)
    return record


def _packages(learner: Learner, dataset: Dataset[Any]) -> list[str]:
    """Those that results depend on, beside what every run needs: what the learner wraps, and what reads texts."""
    return [*learner.source.wraps.split()[:1], *(TEXT_PACKAGES if dataset.train.kind in TEXTS else ())]


def _show_hardest(folder: Path, test: EpisodeSource, scored: Scored, learner: Learner, config: RunConfig) -> None:
    """The hardest tasks as a picture, or as a page. A failure to make it must not cost a run: it only warns."""
    numbers = hardest(scored.accuracies["learner"], learner.problem.metric.more_is_better)
    if config.task.task == "all-way":
        numbers = numbers[:1]  # the others have the same queries, all of a test split
    name = config.learner
    try:
        if test.bank.kind in TEXTS and isinstance(test, BankSource):
            write_hardest(folder, test, numbers, learner, name, scored.score.temperature or 1.0)
        else:
            draw_hardest(folder, test, numbers, learner, name)
    except Exception as error:
        warnings.warn(f"there is no picture of the hardest tasks: {error}", RuntimeWarning, stacklevel=2)


def _place(begun: Begun, resume: bool | None, tried: Path | None) -> tuple[Path, dict[str, Any] | None]:
    """The folder of the run, and the checkpoint to go on from, if that is wanted."""
    config, name, identity = begun.config, begun.name, begun.identity
    if resume is not False and (found := find_checkpoint(config, name, identity, required=bool(resume))):
        return found
    there = find_checkpoint(config.changed(output=tried), name, identity, required=False) if tried else None
    return claim_folder(config, name), there[1] if there else None
