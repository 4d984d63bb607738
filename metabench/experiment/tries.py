"""A try: a setting trained as a run would be, and scored on validation tasks in place of the test."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from metabench.config import RunConfig
from metabench.errors import NotFiniteError, RunError
from metabench.evaluation.loop import evaluate
from metabench.experiment.begin import begin
from metabench.experiment.data import selection_tasks
from metabench.experiment.environment import process_as_found
from metabench.records.checkpoint import CHECKPOINT_FILE, find_checkpoint, kept
from metabench.records.folder import claim_folder, in_folder
from metabench.records.selection import Tried
from metabench.registry import faults_of
from metabench.training.loop import clocks
from metabench.training.signals import Stop


def try_config(config: RunConfig, *, shared: Path | None = None) -> Tried:
    """Train a learner as `metabench.experiment.runner.run_config` does, and score it on tasks of validation classes.

    No test task is drawn. The checkpoint of the trained learner stays in `config.output.output`, from which the run of
    the same settings takes it up.

    Args:
        config: the settings.
        shared: as of `run_config`.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: training failed or was interrupted. One that diverged did not fail: it has no mean.
    """
    with process_as_found(), Stop() as stop:
        begun = begin(config)
        episodes, tasks = selection_tasks(config, begun.run.dataset, begun.run.device)
        found = find_checkpoint(config, begun.name, begun.identity, required=False)
        folder, state = found or (claim_folder(config, begun.name), None)
        kept_of = partial(kept, folder / CHECKPOINT_FILE)
        started, spent, mean = clocks(), np.zeros(2), None
        faults = faults_of(begun.run.learner_class, config.learner, RunError, kept_of)
        with suppress(NotFiniteError), in_folder(folder), faults:
            log = begun.train(folder, state, stop, shared)
            started, spent = clocks(), np.array([log.seconds, log.processor_seconds])
            mean = float(evaluate(begun.run.learner, tasks, episodes, "try").mean())
        seconds, processor_seconds = (spent + clocks() - started).tolist()
        return Tried(
            digest=begun.digest, mean=mean, episodes=episodes, seconds=seconds, processor_seconds=processor_seconds
        )
