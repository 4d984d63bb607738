"""A process that makes one run, as `metabench run` does, and ends when whoever started it is gone."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

from episodes.errors import DataError
from metabench.errors import TOO_LITTLE_MEMORY, RunError, UsageError, is_memory
from metabench.evaluation import progress
from metabench.experiment.memory import keep_freed_memory
from metabench.experiment.runner import run_config
from metabench.experiment.tries import try_config
from metabench.records.keys import record_digest
from metabench.sweep.cells import Cell
from metabench.sweep.stages import use_stage
from metabench.sweep.store import Store, try_digest

FAILED, REFUSED, BUSY = 1, 2, 75  # exit codes; the last as in sysexits.h: another process makes the run
SAID_EVERY = 5.0  # seconds between lines of progress


def work(cell: Cell, results: Path, place: Path) -> None:
    """Make the run of a cell, unless it is done or another process makes it; the process ends with an exit code.

    Args:
        cell: the run.
        results: the folder of its `Store`.
        place: the current folder of whoever asks.
    """
    os.chdir(place)
    sys.exit(_work(cell, Store(results)))


def _work(cell: Cell, store: Store) -> int:
    with store.claimed(cell.digest) as free:
        if not free:
            return BUSY
        # Records are read only where a process began the run before, since reading all takes long in a large study.
        if store.tried(cell.digest) if cell.is_try else store.log(cell.digest).exists() and cell.digest in store.done():
            return 0
        _prepare_process(store.log(cell.digest))
        try:
            found = _try(cell, store) if cell.is_try else _run(cell, store)
        except (UsageError, DataError) as error:
            return _said(str(error), REFUSED)
        except RunError as error:
            return _said(str(error), FAILED)
        except Exception as error:
            traceback.print_exc()
            text = TOO_LITTLE_MEMORY if is_memory(error) else f"{type(error).__name__}: {error}"
            return _said(text, FAILED)
        if found != cell.digest:
            return _said(
                f"what was made has digest {found[:8]}, and {cell.digest[:8]} was wanted: its data or settings changed "
                "meanwhile; start the sweep again",
                REFUSED,
            )
        return 0


def _run(cell: Cell, store: Store) -> str:
    """Make the run of a cell; the digest of what was made."""
    record = run_config(
        cell.config,
        resume=None,
        shared=_stage(cell, store),
        selection=cell.selection,
        tried=store.training_folder(cell.tried) if cell.tried else None,
    )
    return record_digest(record)


def _try(cell: Cell, store: Store) -> str:
    """The same of a try."""
    output = store.training_folder(cell.digest)
    tried = try_config(cell.config.changed(output=output), shared=_stage(cell, store))
    digest = try_digest(tried.digest)
    store.keep_try(digest, tried)
    return digest


def _stage(cell: Cell, store: Store) -> Path | None:
    return use_stage(store, cell.stage, cell.digest) if cell.stage else None


def _prepare_process(log: Path) -> None:
    """Let it write to its log alone, speak more often, hear no Ctrl-C of the terminal, and end with its parent."""
    with suppress(OSError, AttributeError):
        os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for number in (1, 2):
        os.dup2(file, number)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.environ["MPLBACKEND"] = "agg"
    warnings.showwarning = lambda message, *_: print(f"metabench: warning: {message}", file=sys.stderr)
    progress.EVERY = SAID_EVERY
    keep_freed_memory()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """As SIGTERM does: after the step, with a checkpoint."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _said(message: str, code: int) -> int:
    print(f"metabench: {' '.join(message.split())}", file=sys.stderr)
    return code
