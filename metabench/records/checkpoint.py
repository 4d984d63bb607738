"""Checkpoints and weights as files: written whole, read with care, found again by --resume."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import torch

from episodes.files.atomic import write_bytes
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.record import RECORD_FILE

CHECKPOINT_FILE, WEIGHTS_FILE = "checkpoint.pt", "learner.pt"


def kept(checkpoint: Path) -> str:
    """What a run that stops leaves behind, and how to go on: the end of its error."""
    if (record := checkpoint.with_name(RECORD_FILE)).exists():
        return f"the run itself is complete, with its record in '{record}'"
    if not checkpoint.exists():
        return "nothing is kept, as there is no checkpoint yet"
    return f"'{checkpoint}' keeps it: the same command with --resume goes on"


def find_checkpoint(
    config: RunConfig, name: str, identity: dict[str, Any], *, required: bool = True
) -> tuple[Path, dict[str, Any]] | None:
    """The newest unfinished run of exactly this identity (configuration and data): its folder, and its checkpoint.

    Raises:
        UsageError: there is none, or it cannot be read. Unless it is required, there may be none, and one that cannot
            be read is passed over.
    """
    others = 0
    same_name = re.compile(re.escape(name) + r"(-\d+)?")
    folders = [path for path in config.output.output.glob("*") if same_name.fullmatch(path.name)]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        path = folder / CHECKPOINT_FILE
        if not path.is_file() or (folder / RECORD_FILE).exists():
            continue
        try:
            state = load_tensors(path, identity=dict)
        except UsageError:
            if required:
                raise
            continue
        if state["identity"] == identity:
            return folder, state
        others += 1
    if not required:
        return None
    found = f"{others} of other settings or data" if others else "none"
    raise UsageError(
        f"--resume finds no unfinished run of these settings in '{config.output.output}' (unfinished there: {found}); "
        "give the settings of the interrupted run, or run without --resume"
    )


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically; DataError if it cannot be written.

    It is made in memory first: where the disk is full torch's own writer raises something else than an OSError.
    """
    made = io.BytesIO()
    torch.save(content, made)
    write_bytes(path, made.getvalue())


def load_tensors(path: Path, **kinds: type) -> dict[str, Any]:
    """Read a file of tensors that has parts of these kinds; UsageError if it is damaged or something else."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}")
        for key, kind in kinds.items():
            if not isinstance(state.get(key), kind):
                raise TypeError(f"it has no {key} in it")
    except Exception as error:  # torch.load raises whatever the broken bytes lead to
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise unusable(path, reason) from None
    return state


def unusable(path: Path, reason: object) -> UsageError:
    """What is raised where a file of weights is damaged, or not of metabench."""
    whole = "trained learner" if path.name == WEIGHTS_FILE else "checkpoint"
    advice = "restore it, or run again" if path.name == WEIGHTS_FILE else "delete it, and run again without --resume"
    return UsageError(f"'{path}' is not a complete {whole} of metabench ({plain(str(reason), 100)}); {advice}")
