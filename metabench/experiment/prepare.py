"""prepare(): from a configuration to all that a run needs, the same for run, show, verify, reproduce and curve."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from episodes.banks.bank import TEXTS
from episodes.dataset import Dataset
from episodes.files.remembered import remember
from episodes.sampling.manifest import Manifest
from episodes.sampling.source import EpisodeSource
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.evaluation.floors import floor_learners
from metabench.experiment.data import for_words, load_data, scored_tasks, validation_tasks, with_frozen
from metabench.experiment.environment import choose_device
from metabench.experiment.pretrained import refuse_seen, weights_of
from metabench.experiment.tokens import with_tokens
from metabench.learner import Learner, TrainingOptions
from metabench.records.record import Banks, DatasetInfo, RunRecord
from metabench.registry import (
    build,
    check_kind,
    check_ways,
    faults_of,
    get_learner,
    learner_options,
    with_few_classes,
    without_training,
)
from metabench.weights.encoder_file import Weights
from metabench.weights.state_file import GivenWeights


@dataclass(frozen=True, eq=False)
class PreparedTasks:
    """The data of a configuration, and its test tasks.

    Attributes:
        config: with what follows from data and tasks filled in.
        device: that the tasks are on.
        dataset: its banks.
        manifest: the file of frozen tasks that was given.
        test: where the test tasks come from.
    """

    config: RunConfig
    device: torch.device
    dataset: Dataset[Any]
    manifest: Manifest | None
    test: EpisodeSource


@dataclass(frozen=True, eq=False)
class Prepared(PreparedTasks):
    """The same with the learner, untrained.

    Attributes:
        validation: where the validation tasks come from.
        weights: that its networks begin with.
        learner: on the device; its first weights follow from the seed, or are those of the file.
        floors: by name, on the device.
    """

    validation: EpisodeSource
    weights: GivenWeights | None
    learner: Learner
    floors: dict[str, Learner]

    @property
    def learner_class(self) -> type[Learner]:
        return type(self.learner)


def prepare_tasks(
    config: RunConfig,
    again: tuple[Path, RunRecord] | None = None,
    options: TrainingOptions | None = None,
    weights: Weights | None = None,
) -> PreparedTasks:
    """Load the data and find the test tasks.

    Args:
        config: the settings.
        again: a finished run's folder and record, whose data these must be.
        options: of the learner whose networks read the texts; None where none will, as for a picture of a task.
        weights: that these networks begin with.

    Raises:
        UsageError: settings that do not go together, other data than the run's, or weights that have seen test data.
        episodes.DataError: data or tasks cannot be read, or the data cannot give the tasks.
    """
    device = choose_device(config.machine.device)
    config, manifest = with_frozen(config)
    config, dataset = load_data(config)
    if again:
        check_data(*again, dataset)
    if weights:
        refuse_seen(weights, dataset)
    if dataset.kind in TEXTS and options:
        dataset = with_tokens(config, dataset, options, weights)
    config, test = scored_tasks(config, dataset, manifest, device)
    return PreparedTasks(config, device, dataset, manifest, test)


def prepare(config: RunConfig, again: tuple[Path, RunRecord] | None = None) -> Prepared:
    """Load the data, find the tasks, and build the learner and its floors.

    Arguments and errors are those of `prepare_tasks`; a UsageError may also be about the learner.
    """
    learner_class = get_learner(config.learner)
    with faults_of(learner_class, config.learner, UsageError):
        options = learner_options(learner_class, config.learner, config.data.dataset, config.options)
        config = for_words(config)
        options = without_training(config, learner_class, options)
    weights = weights_of(options)
    ours = weights if isinstance(weights, Weights) else None
    tasks = prepare_tasks(config, again, options, ours)
    if weights and tasks.dataset.kind in TEXTS and not (ours and ours.vocabulary):
        raise UsageError(
            f"--weights '{weights.name}' has no vocabulary, and {config.data.dataset} has texts; give a file of "
            "`metabench pretrain`, or --backbone hf:FOLDER"
        )
    if ours and ours.about.kind == "text" and tasks.dataset.kind not in TEXTS:
        raise UsageError(
            f"--weights '{ours.name}' is of {ours.about.noun}, and {config.data.dataset} has {tasks.dataset.kind}; "
            "give another file, or leave it out"
        )
    options = with_few_classes(config, options, tasks.dataset.train.classes)
    config, device = _resolved(tasks.config, tasks.device, options), tasks.device
    check_kind(config, learner_class, tasks.dataset.kind)
    learner = build(config, tasks.dataset, options, weights)
    check_ways(config, learner)
    return Prepared(
        config,
        device,
        tasks.dataset,
        tasks.manifest,
        tasks.test,
        validation=validation_tasks(config, tasks.dataset, device),
        weights=weights,
        learner=learner.to(device),
        floors={
            name: floor.to(device)
            for name, floor in floor_learners(learner.problem, options.backbone, config.training.seed).items()
        },
    )


def check_frozen(folder: Path, record: RunRecord, manifest: Manifest | None) -> None:
    """Raise UsageError if the frozen tasks are not those that a run was tested on."""
    recorded, found = record.dataset.tasks, manifest.digest if manifest else None
    if recorded == found:
        return
    if recorded is None:
        raise UsageError(f"'{folder}' was not tested on frozen tasks; leave --tasks out")
    other = f", and those of the file given have {found[:8]}" if found else ""
    raise UsageError(
        f"'{folder}' was tested on frozen tasks of digest {recorded[:8]}{other}; give their file by --tasks"
    )


def check_data(folder: Path, record: RunRecord, dataset: Dataset[Any]) -> None:
    """Raise UsageError if the data are not those of a run."""
    for name, recorded in record.dataset.fingerprints:
        found = getattr(dataset, name).fingerprint
        if found != recorded:
            raise UsageError(
                f"the {name} {dataset.kind} of '{record.dataset.name}' have fingerprint {found[:8]}, and those of "
                f"'{folder}' had {recorded[:8]}; give the --data-root that it had"
            )


def dataset_info(dataset: Dataset[Any], manifest: Manifest | None) -> DatasetInfo:
    """What a record says of the data, and of the file of frozen tasks."""
    train, validation, test = dataset.train, dataset.validation, dataset.test
    return DatasetInfo(
        name=dataset.name,
        kind=dataset.kind,
        split=dataset.split,
        image_shape=dataset.test.item_shape,
        fingerprints=Banks(train=train.fingerprint, validation=validation.fingerprint, test=test.fingerprint),
        classes=Banks(train=train.classes, validation=validation.classes, test=test.classes),
        tasks=manifest.digest if manifest else None,
    )


def _resolved(config: RunConfig, device: torch.device, options: TrainingOptions) -> RunConfig:
    """The configuration with nothing left to be chosen, as the record keeps it."""
    mixed = config.training.precision == "auto" and device.type == "cuda"
    precision = "bfloat16" if mixed or config.training.precision == "bfloat16" else "float32"
    shown = {name: _without_place(value) for name, value in asdict(options).items()}
    shown["weights"] = options.weights and Path(options.weights).name
    return config.changed(options=shown, device=device.type, precision=precision)


def _without_place(value: Any) -> Any:
    """A backbone's name with the path in it cut to the folder's own name: records keep no place on a machine.

    `metabench.experiment.data.config_here` finds the folder again.
    """
    name, colon, path = value.partition(":") if isinstance(value, str) else ("", "", "")
    folder = Path(path).expanduser()
    if not (colon and path and folder.is_dir()):
        return value
    short = f"{name}:{folder.resolve().name}"
    remember(short, folder)
    return short
