"""`metabench show`: a test task as a picture, or as text, and what a trained learner predicts for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from episodes.banks.bank import TEXTS
from episodes.datasets import kind_of
from episodes.files.atomic import write_bytes
from episodes.sampling.source import BankSource
from metabench.config import RunConfig
from metabench.errors import RunError, UsageError
from metabench.experiment.data import config_here, with_frozen
from metabench.experiment.prepare import Prepared, prepare, prepare_tasks
from metabench.experiment.pretrained import with_weights
from metabench.pictures.figure import check_picture
from metabench.pictures.hardest import draw_predicted
from metabench.records.folder import load_run, restore
from metabench.records.reader import read_record, record_file
from metabench.records.record import RunRecord
from metabench.records.shown import ShownTask
from metabench.registry import faults_of
from metabench.texts.html import PAGES, Page, html
from metabench.texts.task import predictions, shown_task
from metabench.texts.terminal import PRINTED, Terminal, task_text

PLAIN = (".txt",)  # endings of files that texts are written to, beside PAGES
WRITTEN = Terminal(columns=100, lines=None)


def show(
    path: str | Path | None = None,
    episode: int = 0,
    run_folder: str | Path | None = None,
    weights: str | Path | None = None,
    *,
    terminal: Terminal = PRINTED,
    **settings: Any,
) -> str:
    """Draw a test task to a picture file, or write it as text: `metabench show` as a call.

    Args:
        path: the picture, whose ending chooses the format; of texts a `.html` or `.txt` file, or None.
        episode: the task's number, at least 0.
        run_folder: a finished run whose learner predicts the queries.
        weights: the file that the run began with; None to look for it.
        terminal: how texts are returned: their width, and whether in colour.
        settings: of RunConfig; by default those of the run, if given.

    Returns:
        The task of texts as text; of pictures and functions nothing.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: the learner fails.
    """
    path = None if path is None else Path(path)
    if run_folder is None:
        config = config_here({}, **{**settings, "device": "cpu"})
        of_texts = _check_path(config, path)
        tasks = prepare_tasks(config)
        title = f"{tasks.dataset.test.name}, task {episode}"
        if of_texts and isinstance(tasks.test, BankSource):
            return _written(shown_task(tasks.test, episode, title), path, terminal)
        assert path
        draw_predicted(tasks.test, episode, path, title=tasks.dataset.test.name)
        return ""
    run_folder = Path(run_folder)
    record, _ = read_record(record_file(run_folder))
    _, trained = load_run(run_folder, record)
    config = config_here(record.config.model_dump(mode="json"), **{**settings, "device": "cpu"})
    of_texts = _check_path(config, path)
    config = with_weights(config, record, run_folder, weights)
    run = prepare(config)
    with faults_of(run.learner_class, run.config.learner, RunError):
        restore(run.learner, trained, run_folder)
        if of_texts:
            return _written(_predicted(run, episode, record), path, terminal)
        assert path
        draw_predicted(run.test, episode, path, run.learner, run.config.learner, run.dataset.test.name)
    return ""


def _check_path(config: RunConfig, path: Path | None) -> bool:
    """Whether tasks are texts; raises UsageError, before any data are read, for a file that they are not written to."""
    name = with_frozen(config)[0].data.dataset
    of_texts, ending = kind_of(name) in TEXTS, path.suffix.lower() if path else ""
    written = [*PAGES, *PLAIN]
    if of_texts and path and ending not in written:
        raise UsageError(
            f"-o {path}: tasks of '{name}' are texts, which are written to .html or .txt; name such a file, or leave "
            "-o out to see them here"
        )
    if not of_texts and path is None:
        raise UsageError(f"Missing option '-o' / '--output'. Tasks of '{name}' are drawn to .png, .pdf or .svg")
    if not of_texts and ending in written:
        raise UsageError(
            f"-o {path}: tasks of '{name}' are no texts, and are drawn to .png, .pdf or .svg; name such a file"
        )
    if path and not of_texts:
        check_picture(path)
    return of_texts


def _predicted(run: Prepared, episode: int, record: RunRecord) -> ShownTask:
    assert isinstance(run.test, BankSource)
    made = predictions(run.test, episode, run.learner, record.score.temperature or 1.0)
    title = f"{run.dataset.test.name}, task {episode}, {run.config.learner}: {made.score}"
    return shown_task(run.test, episode, title, made)


def _written(task: ShownTask, path: Path | None, terminal: Terminal) -> str:
    if path and path.suffix.lower() in PAGES:
        write_bytes(path, html(Page(title=task.title, tasks=[task])).encode())
    elif path:
        write_bytes(path, f"{task_text(task, WRITTEN)}\n".encode())
    return task_text(task, terminal)
