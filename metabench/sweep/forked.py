"""How a process that makes a run is started, by one that has not imported torch."""

from __future__ import annotations

import multiprocessing
from typing import Any

WORKER = "metabench.sweep.worker"


def context() -> Any:
    """Of `multiprocessing`, whose processes are forked from one that has imported all and computed nothing.

    So a start takes no seconds, and GPUs work. Where there is no such way, each imports by itself.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    found = multiprocessing.get_context("forkserver" if forks else "spawn")
    if forks:
        found.set_forkserver_preload([WORKER])
    return found
