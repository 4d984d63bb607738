"""The engine of one machine: a pool of processes, one for each run, of which none takes another along."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from metabench.sweep.cells import Cell
from metabench.sweep.engine import Event, Limits
from metabench.sweep.store import Store
from metabench.sweep.worker import BUSY, REFUSED, work
from metabench.training.shared import is_settled

LOOK_EVERY = 0.5  # seconds between looks at what the processes say
ASK_EVERY = 2.0  # seconds between looks at a run that another process makes
PATIENCE = 10.0  # seconds that a process gets to write its checkpoint


def run_cells(cells: Sequence[Cell], store: Store, limits: Limits) -> Iterator[Event]:
    """An `Engine`: so many processes at a time, which are stopped with checkpoints when the iterator is closed."""
    pool = _Pool(store, limits)
    try:
        yield from pool.run(cells)
    finally:
        pool.stop()


@dataclass(eq=False)
class _Attempt:
    """A cell that waits, or is at work."""

    cell: Cell
    left: int
    not_before: float = 0.0
    elsewhere: bool = False
    started: float = 0.0
    said: str = ""
    stopped: str = ""  # why, if it was
    process: BaseProcess = field(init=False, repr=False)


class _Pool:
    def __init__(self, store: Store, limits: Limits) -> None:
        self.store, self.limits = store, limits
        # Forked from a process that has imported all and computed nothing: a start takes no seconds, and GPUs work.
        ways = multiprocessing.get_all_start_methods()
        self.context = multiprocessing.get_context("forkserver" if "forkserver" in ways else "spawn")
        if "forkserver" in ways:
            self.context.set_forkserver_preload([work.__module__])
        self.waiting: list[_Attempt] = []
        self.running: list[_Attempt] = []

    def run(self, cells: Sequence[Cell]) -> Iterator[Event]:
        self.waiting = [_Attempt(cell, self.limits.retries) for cell in cells]
        while self.waiting or self.running:
            yield from self._start()
            if self.running:
                connection.wait([attempt.process.sentinel for attempt in self.running], LOOK_EVERY)
            elif self.waiting:
                time.sleep(LOOK_EVERY)
            for attempt in [*self.running]:
                yield from self._look(attempt)

    def _start(self) -> Iterator[Event]:
        for attempt in [*self.waiting]:
            if len(self.running) >= self.limits.workers:
                return
            if attempt.not_before > time.monotonic() or self._stage_at_work(attempt.cell):
                continue
            if self.store.is_claimed(attempt.cell.digest):
                yield from self._wait(attempt)
                continue
            attempt.started, attempt.said, attempt.stopped = time.monotonic(), "", ""
            attempt.process = self.context.Process(  # type: ignore[attr-defined]
                target=work, args=(attempt.cell, self.store.results, Path.cwd()), name=attempt.cell.title
            )
            attempt.process.start()
            self.waiting.remove(attempt)
            self.running.append(attempt)
            yield Event("started", attempt.cell)

    def _stage_at_work(self, cell: Cell) -> bool:
        """Whether it would only wait until another run has trained the stage that they share."""
        if not cell.stage or is_settled(self.store.stage_folder(cell.stage)):
            return False
        return any(attempt.cell.stage == cell.stage for attempt in self.running)

    def _wait(self, attempt: _Attempt) -> Iterator[Event]:
        attempt.not_before = time.monotonic() + ASK_EVERY
        if not attempt.elsewhere:
            attempt.elsewhere = True
            yield Event("elsewhere", attempt.cell)

    def _look(self, attempt: _Attempt) -> Iterator[Event]:
        if attempt.process.exitcode is None:
            self._keep_time(attempt)
            said = self.store.said(attempt.cell.digest)
            if said != attempt.said:
                attempt.said = said
                yield Event("working", attempt.cell, said)
            return
        code, taken = attempt.process.exitcode, time.monotonic() - attempt.started
        attempt.process.join()
        self.running.remove(attempt)
        if code == 0:
            yield Event("done", attempt.cell)
        elif code == BUSY:
            self.waiting.append(attempt)
            yield from self._wait(attempt)
        else:
            reason = self._reason(attempt, code)
            self.store.add_failure(attempt.cell.digest, reason, taken)
            again = attempt.left > 0 and code != REFUSED
            if again:
                attempt.left -= 1
                self.waiting.insert(0, attempt)
            yield Event("retried" if again else "failed", attempt.cell, reason)

    def _keep_time(self, attempt: _Attempt) -> None:
        late = time.monotonic() - attempt.started - (self.limits.timeout or float("inf"))
        if late > PATIENCE:
            attempt.process.kill()
        elif late > 0 and not attempt.stopped:
            attempt.stopped = f"ran past --timeout {self.limits.timeout:g}"
            attempt.process.terminate()

    def _reason(self, attempt: _Attempt, code: int) -> str:
        if attempt.stopped:
            return attempt.stopped
        if code < 0:
            name = signal.Signals(-code).name
            memory = ", as the system does where memory runs out" if name == "SIGKILL" else ""
            return f"killed by {name}{memory}"
        return self.store.said(attempt.cell.digest) or f"ended with exit code {code}"

    def stop(self) -> None:
        """Ask all processes for their checkpoints, and end those that take too long."""
        for attempt in self.running:
            attempt.process.terminate()
        until = time.monotonic() + PATIENCE
        for attempt in self.running:
            attempt.process.join(max(0.0, until - time.monotonic()))
            attempt.process.kill()
            attempt.process.join()
        self.running.clear()
