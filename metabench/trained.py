"""A finished run taken up again: its record, its data and test tasks, its learner as trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from episodes.dataset import Dataset
from episodes.manifest import Manifest, read_manifest
from metabench.config import RunConfig, learner_options
from metabench.environment import choose_device
from metabench.errors import UsageError
from metabench.experiment import build
from metabench.floors import floor_learners
from metabench.learner import Learner
from metabench.reading import read_record, record_file
from metabench.records import RunRecord
from metabench.registry import faults_of, get_learner
from metabench.runs import load_run, restore
from metabench.tasks import config_here, load_data, with_frozen


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """What is needed to score a run's learner again.

    Attributes:
        folder: of the run.
        record: as read.
        of_tasks: the record's measure on each test task, `[E]`.
        config: the record's, with the places of this machine and what was changed.
        dataset: the same images as the run's.
        manifest: the frozen tasks that were given.
        device: that learner and floors are on.
        learner: with the run's weights.
        floors: by name.
    """

    folder: Path
    record: RunRecord
    of_tasks: NDArray[np.float64]
    config: RunConfig
    dataset: Dataset[Any]
    manifest: Manifest | None
    device: torch.device
    learner: Learner
    floors: dict[str, Learner]


def load_trained(path: Path, device: str = "auto", *, same_tasks: bool = True, **settings: Any) -> TrainedRun:
    """Read a finished run, with learner and floors on a device.

    Args:
        path: its folder, or the record in it.
        device: `auto`, `cpu` or `cuda`.
        same_tasks: whether frozen tasks must be there if it was tested on such.
        settings: fields of RunConfig to change: places on this machine, or how many test tasks.

    Raises:
        UsageError, episodes.DataError: the record, weights or data cannot be read, or are not the run's.
    """
    file = record_file(path)
    on = choose_device(device)
    record, of_tasks = read_record(file)
    _, weights = load_run(file.parent)
    config, dataset, manifest = load_again(file.parent, record, same_tasks=same_tasks, **settings)
    learner_class = get_learner(config.learner)
    with faults_of(learner_class, config.learner, UsageError):
        options = learner_options(learner_class, config.learner, "", config.options)
        learner = build(config, dataset, options)
        restore(learner, weights, file.parent)
    floors = floor_learners(learner.problem, options.backbone, config.seed)
    on_device = {name: floor.to(on) for name, floor in floors.items()}
    return TrainedRun(file.parent, record, of_tasks, config, dataset, manifest, on, learner.to(on).eval(), on_device)


def load_again(
    folder: Path, record: RunRecord, *, same_tasks: bool = True, **settings: Any
) -> tuple[RunConfig, Dataset[Any], Manifest | None]:
    """The configuration, data and frozen tasks of a record, on this machine.

    Args:
        folder: of the record, for the messages.
        record: it.
        same_tasks: as of `load_trained`.
        settings: fields of RunConfig to change.

    Raises:
        UsageError: the images or the frozen tasks are not those of the record.
        episodes.DataError: they cannot be read.
    """
    config = config_here(record.config.model_dump(mode="json"), **settings)
    if same_tasks:
        _check_frozen(folder, record, read_manifest(config.tasks) if config.tasks else None)
    config, manifest = with_frozen(config)
    dataset = load_data(config)
    for name, recorded in record.dataset.fingerprints:
        found = getattr(dataset, name).fingerprint
        if found != recorded:
            raise UsageError(
                f"the {name} images of '{record.dataset.name}' have fingerprint {found[:8]}, and those of "
                f"'{folder}' had {recorded[:8]}; give the --data-root that it had"
            )
    return config, dataset, manifest


def _check_frozen(folder: Path, record: RunRecord, manifest: Manifest | None) -> None:
    recorded, found = record.dataset.tasks, manifest.digest if manifest else None
    if recorded == found:
        return
    if recorded is None:
        raise UsageError(f"'{folder}' was not tested on frozen tasks; leave --tasks out")
    other = f", and those of the file given have {found[:8]}" if found else ""
    raise UsageError(
        f"'{folder}' was tested on frozen tasks of digest {recorded[:8]}{other}; give their file by --tasks"
    )
