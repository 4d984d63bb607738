"""The engine of one machine: a pool of processes, one for each run, of which none takes another along."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import cast

from metabench.sweep.cells import Cell
from metabench.sweep.engine import Event, Limits
from metabench.sweep.forked import context
from metabench.sweep.pool import Process, make_runs
from metabench.sweep.store import Store
from metabench.sweep.worker import work


def run_cells(cells: Sequence[Cell], store: Store, limits: Limits) -> Iterator[Event]:
    """An `Engine`: so many processes at a time, which are stopped with checkpoints when the iterator is closed."""
    return make_runs(cells, store, limits, _Here(store))


class _Here:
    """`Places` of this machine."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def ready(self, wanted: int) -> bool:
        return True

    def start(self, cell: Cell) -> Process:
        process: BaseProcess = context().Process(
            target=work, args=(cell, self.store.results, Path.cwd()), name=cell.title
        )
        process.start()
        return process

    def wait(self, processes: Sequence[Process], seconds: float) -> Iterable[Process]:
        by_sentinel = {cast(BaseProcess, process).sentinel: process for process in processes}
        return [by_sentinel[cast(int, each)] for each in connection.wait([*by_sentinel], seconds)]

    def host(self, process: Process) -> str:
        return socket.gethostname()
