"""A finished run taken up again: its record, its data and test tasks, its learner as trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.sampling.manifest import read_manifest
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.experiment.data import config_here
from metabench.experiment.prepare import Prepared, check_frozen, prepare
from metabench.experiment.pretrained import with_weights
from metabench.records.folder import load_run, restore
from metabench.records.reader import read_record, record_file
from metabench.records.record import RunRecord
from metabench.registry import faults_of


@dataclass(frozen=True, eq=False)
class TrainedRun(Prepared):
    """What is needed to score a run's learner again, which has the run's weights.

    Attributes:
        folder: of the run.
        record: as read.
        of_tasks: the record's metric on each test task, `[E]`.
    """

    folder: Path
    record: RunRecord
    of_tasks: NDArray[np.float64]


def load_trained(path: str | Path, device: str = "auto", *, same_tasks: bool = True, **settings: Any) -> TrainedRun:
    """Read a finished run, with learner and floors on a device.

    Args:
        path: its folder, or the record in it.
        device: `auto`, `cpu` or `cuda`.
        same_tasks: whether frozen tasks must be there if it was tested on such.
        settings: of RunConfig to change: places on this machine, or how many test tasks; and `weights`, the file that
            the run began with.

    Raises:
        UsageError, episodes.DataError: the record, weights or data cannot be read, or are not the run's.
    """
    file = record_file(path)
    record, of_tasks = read_record(file)
    _, weights = load_run(file.parent, record)
    config = config_again(file.parent, record, same_tasks=same_tasks, device=device, **settings)
    made = prepare(config, again=(file.parent, record))
    with faults_of(made.learner_class, config.learner, UsageError):
        restore(made.learner, weights, file.parent)
    made.learner.eval()
    return TrainedRun(**vars(made), folder=file.parent, record=record, of_tasks=of_tasks)


def config_again(
    folder: Path, record: RunRecord, *, same_tasks: bool = True, weights: str | Path | None = None, **settings: Any
) -> RunConfig:
    """The configuration of a record, on this machine.

    Args:
        folder: of the record, for the messages.
        record: it.
        same_tasks: as of `load_trained`.
        weights: the file that the run began with; None to look for it.
        settings: of RunConfig to change.

    Raises:
        UsageError: the frozen tasks or the weights are not those of the record.
        episodes.DataError: they cannot be read.
    """
    config = config_here(record.config.model_dump(mode="json"), **settings)
    config = with_weights(config, record, folder, weights)
    if same_tasks:
        check_frozen(folder, record, read_manifest(config.test.tasks) if config.test.tasks else None)
    return config
