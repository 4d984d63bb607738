"""The folder of a run: claimed, resumed, filled."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from episodes.errors import DataError
from episodes.files.atomic import write_bytes
from episodes.names import short_name
from metabench import ranks
from metabench.config import RunConfig, flat
from metabench.errors import InterruptionError, LostRankError, RunError, UsageError
from metabench.escape import plain
from metabench.learner import Learner
from metabench.records.checkpoint import CHECKPOINT_FILE, WEIGHTS_FILE, kept, load_tensors, save_tensors
from metabench.records.migrations import with_new_options
from metabench.records.predictions import PREDICTIONS_FILE
from metabench.records.record import RECORD_FILE, RunRecord, write_scores

LOCK_FILE = ".lock"
LONGEST_WORD = 60  # of a run's folder, whose name a file system bounds to 255 bytes


def claim_folder(config: RunConfig, name: str) -> Path:
    """A new folder for the run under `config.output.output`: no other run, nor another process at this moment, has it.

    Raises:
        UsageError: the folder cannot be made.
    """
    try:
        config.output.output.mkdir(parents=True, exist_ok=True)
        for folder in numbered(config.output.output / name):
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            return folder
    except OSError as error:
        raise UsageError(
            f"cannot write to --output '{config.output.output}': {error.strerror}; choose a folder that can be written"
        ) from None
    raise AssertionError("there is always a next name")


@contextmanager
def in_folder(folder: Path) -> Iterator[None]:
    """As `at_work`, for the run of a folder; one that is still empty at the end is removed."""
    try:
        with at_work(folder / CHECKPOINT_FILE, folder / LOCK_FILE):
            yield
    finally:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def at_work(checkpoint: Path, lock_file: Path | None = None) -> Iterator[None]:
    """Within it nobody else is at work on that checkpoint, and what goes wrong is a RunError that says what is kept.

    Args:
        checkpoint: it may not be there yet.
        lock_file: by which others know; beside the checkpoint unless it is told.

    Raises:
        UsageError: another process is at work on it, or its folder cannot be written.
        RunError: a file that cannot be written, a GPU whose memory is too small, or a rank that has ended.
        InterruptionError: an interruption (SIGINT).
    """
    lock_file = lock_file or checkpoint.with_name(f".{checkpoint.name}.lock")
    with _locked(lock_file) if ranks.first() else nullcontext():
        try:
            yield
        except KeyboardInterrupt as error:
            raise InterruptionError(f"{str(error) or 'interrupted'}; {kept(checkpoint)}") from None
        except (DataError, LostRankError) as error:
            raise RunError(f"{error}; {kept(checkpoint)}") from None
        except torch.OutOfMemoryError:
            raise RunError(
                "the GPU's memory is too small; choose a smaller backbone or batch, or --device cpu"
            ) from None


@contextmanager
def _locked(lock_file: Path) -> Iterator[None]:
    lock = FileLock(lock_file)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise UsageError(
            f"another process is at work in '{lock_file.parent}'; wait for it, or run without --resume"
        ) from None
    except OSError as error:
        raise UsageError(
            f"cannot write to '{lock_file.parent}': {error.strerror}; choose a folder that can be written"
        ) from None
    try:
        yield
    finally:
        lock_file.unlink(missing_ok=True)
        lock.release()


def save_run(
    folder: Path,
    record: RunRecord,
    accuracies: dict[str, NDArray[np.float64]],
    predictions: bytes | None,
    learner: Learner,
) -> None:
    """Write the run's files, the record last, so that a folder with a record is a whole one; drop the checkpoint."""
    weights = {"config": record.config.model_dump(mode="json"), "learner": learner.state_dict()}
    save_tensors(folder / WEIGHTS_FILE, weights)
    write_scores(folder, accuracies)
    if predictions is not None:
        write_bytes(folder / PREDICTIONS_FILE, predictions)
    text = record.model_dump_json(indent=2) + "\n"
    write_bytes(folder / RECORD_FILE, text.encode())
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)


def load_run(folder: Path, record: RunRecord | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration and the trained weights of a finished run.

    Args:
        folder: of the run.
        record: whose learner it must be.

    Raises:
        UsageError: the folder has none that can be read, or that of another run.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise UsageError(
            f"there is no trained learner in '{folder}' ({WEIGHTS_FILE}); "
            + (
                "ask for it where the record is from, or train it again by `metabench reproduce`"
                if (folder / RECORD_FILE).is_file()
                else "name the folder of a finished run"
            )
        )
    saved = load_tensors(path, config=dict, learner=dict)
    config: dict[str, Any] = saved["config"]
    if isinstance(options := config.get("options"), dict):
        config["options"] = with_new_options(options)
    if record:
        _refuse_others(path, flat(config), flat(record.config.model_dump(mode="json")))
    return config, saved["learner"]


def _refuse_others(path: Path, trained: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Raise UsageError where a trained learner has other settings than the record beside it."""
    mine, theirs = ({**values, **(values.get("options") or {})} for values in (trained, recorded))
    for name in ("learner", "seed", *(trained.get("options") or {})):
        if name in mine and name in theirs and mine[name] != theirs[name]:
            raise UsageError(
                f"'{path}' is the learner of another run: its {name} is {plain(str(mine[name]), 60)}, and "
                f"{plain(str(theirs[name]), 60)} in the record beside it; put this run's own there"
            )


def restore(learner: Learner, weights: dict[str, Any], folder: Path) -> None:
    """Give the learner the weights of a run.

    Raises:
        UsageError: they are those of another shape: image size, ways or backbone differ from the run's.
    """
    try:
        learner.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError, KeyError):  # the file may come from anyone
        raise UsageError(
            f"the weights in '{folder}' do not fit the learner for these images and ways: they are damaged, or were "
            "trained for others"
        ) from None


def numbered(folder: Path) -> Iterator[Path]:
    """The folder, and the names to take in its place where it already exists: with -2, -3 and so on at the end."""
    yield folder
    for number in itertools.count(2):
        yield folder.with_name(f"{folder.name}-{number}")


def run_name(config: RunConfig, regression: bool) -> str:
    """The name of a run's folder, without the number that it ends in where there are several."""
    ways = [] if regression else [f"{config.task.ways}way"]
    task = [*ways, f"{config.task.shots}shot"] if config.numbers else [config.task.task]
    queries = [] if config.task.query_imbalance == "none" else [f"{config.task.query_imbalance} queries"]
    across = [f"across {config.data.across}"] if config.data.across else []
    words = [short_name(config.data.dataset), *task, *across, *queries, config.learner, f"seed{config.training.seed}"]
    return "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", word).strip("_")[:LONGEST_WORD] for word in words)
