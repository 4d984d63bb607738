"""`metabench show`: a test task as a picture, and what a trained learner predicts for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from metabench.errors import RunError
from metabench.experiment.data import config_here
from metabench.experiment.prepare import prepare, prepare_tasks
from metabench.experiment.pretrained import with_weights
from metabench.pictures.hardest import draw_predicted
from metabench.records.folder import load_run, restore
from metabench.records.reader import read_record, record_file
from metabench.registry import faults_of


def show(
    path: str | Path,
    episode: int = 0,
    run_folder: str | Path | None = None,
    weights: str | Path | None = None,
    **settings: Any,
) -> None:
    """Draw a test task to a picture file: `metabench show` as a call.

    Args:
        path: the picture; its ending chooses the format.
        episode: the task's number, at least 0.
        run_folder: a finished run whose learner predicts the queries.
        weights: the file that the run began with; None to look for it.
        settings: of RunConfig; by default those of the run, if given.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: the learner fails.
    """
    path = Path(path)
    if run_folder is None:
        tasks = prepare_tasks(config_here({}, **{**settings, "device": "cpu"}))
        draw_predicted(tasks.test, episode, path, title=tasks.dataset.test.name)
        return
    run_folder = Path(run_folder)
    recorded, trained = load_run(run_folder)
    config = config_here(recorded, **{**settings, "device": "cpu"})
    if config.options.get("weights"):
        record, _ = read_record(record_file(run_folder))
        config = with_weights(config, record, run_folder, weights)
    run = prepare(config)
    name = run.config.learner
    with faults_of(run.learner_class, name, RunError):
        restore(run.learner, trained, run_folder)
        draw_predicted(run.test, episode, path, run.learner, name, run.dataset.test.name)
