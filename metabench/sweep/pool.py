"""How runs are made, wherever their processes are: which starts when, and what comes of one that fails."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from metabench.sweep.cells import Cell
from metabench.sweep.engine import Event, Limits
from metabench.sweep.store import Store
from metabench.sweep.worker import BUSY, REFUSED
from metabench.training.shared import is_settled

LOOK_EVERY = 0.5  # seconds between looks at what the processes say
LOOK_SHARE = 10  # times as long as a look took, at the least: those at a thousand runs must not take all the time
ASK_EVERY = 2.0  # seconds between looks at a run that another process makes
PATIENCE = 10.0  # seconds that a process gets to write its checkpoint
LOST = 1 << 10  # in place of an exit code: the machine that the process was on is gone


class Process(Protocol):
    """A process that makes one run (see `metabench.sweep.worker.work`); one of `multiprocessing` is one."""

    @property
    def exitcode(self) -> int | None:
        """As in `multiprocessing`: None while it is at work, and a signal's number below zero; or `LOST`."""

    def terminate(self) -> None:
        """Send it SIGTERM, after which it writes its checkpoint."""

    def kill(self) -> None:
        """Send it SIGKILL."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, for so many seconds at most."""


class Places(Protocol):
    """Where processes can be."""

    def ready(self, wanted: int) -> bool:
        """Whether one more process can start now; so many are to."""

    def start(self, cell: Cell) -> Process:
        """A process that makes the run of a cell."""

    def wait(self, processes: Sequence[Process], seconds: float) -> Iterable[Process]:
        """Those that have ended; where none has, after waiting so long for one, or for a place to be ready."""

    def host(self, process: Process) -> str:
        """The name of the machine that it is on."""


def make_runs(cells: Sequence[Cell], store: Store, limits: Limits, places: Places) -> Iterator[Event]:
    """What an `Engine` does; the processes are stopped with checkpoints when the iterator is closed."""
    pool = _Pool(store, limits, places)
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


class _Pool:
    def __init__(self, store: Store, limits: Limits, places: Places) -> None:
        self.store, self.limits, self.places = store, limits, places
        self.waiting: list[_Attempt] = []
        self.running: dict[Process, _Attempt] = {}
        self.next_look = 0.0

    def run(self, cells: Sequence[Cell]) -> Iterator[Event]:
        self.waiting = [_Attempt(cell, self.limits.retries) for cell in cells]
        while self.waiting or self.running:
            yield from self._start()
            for process in self.places.wait([*self.running], LOOK_EVERY):
                yield from self._end(process, self.running.pop(process))
            began = time.monotonic()
            if began >= self.next_look:
                for process, attempt in self.running.items():
                    yield from self._look(process, attempt)
                self.next_look = began + max(LOOK_EVERY, LOOK_SHARE * (time.monotonic() - began))

    def _start(self) -> Iterator[Event]:
        stages = {attempt.cell.stage for attempt in self.running.values() if self._in_training(attempt.cell)}
        for attempt in [*self.waiting]:
            if len(self.running) >= self.limits.workers:
                return
            if attempt.not_before > time.monotonic():
                continue
            if attempt.cell.stage in stages:  # it would only wait for the run that trains the stage
                continue
            if not self.places.ready(len(self.waiting)):
                return
            if self.store.is_claimed(attempt.cell.digest):
                yield from self._wait(attempt)
                continue
            attempt.started, attempt.said, attempt.stopped = time.monotonic(), "", ""
            self.running[self.places.start(attempt.cell)] = attempt
            self.waiting.remove(attempt)
            if self._in_training(attempt.cell):
                stages.add(attempt.cell.stage)
            yield Event("started", attempt.cell)

    def _in_training(self, cell: Cell) -> bool:
        """Whether it trains, if it is at work, a stage that others share."""
        return cell.stage is not None and not is_settled(self.store.stage_folder(cell.stage))

    def _wait(self, attempt: _Attempt) -> Iterator[Event]:
        attempt.not_before = time.monotonic() + ASK_EVERY
        if not attempt.elsewhere:
            attempt.elsewhere = True
            yield Event("elsewhere", attempt.cell)

    def _look(self, process: Process, attempt: _Attempt) -> Iterator[Event]:
        late = time.monotonic() - attempt.started - (self.limits.timeout or float("inf"))
        if late > PATIENCE:
            process.kill()
        elif late > 0 and not attempt.stopped:
            attempt.stopped = f"ran past --timeout {self.limits.timeout:g}"
            process.terminate()
        said = self.store.said(attempt.cell.digest)
        if said != attempt.said:
            attempt.said = said
            yield Event("working", attempt.cell, said)

    def _end(self, process: Process, attempt: _Attempt) -> Iterator[Event]:
        code, host, taken = process.exitcode, self.places.host(process), time.monotonic() - attempt.started
        process.join()
        if code == 0:
            yield Event("done", attempt.cell)
        elif code == BUSY:
            self.waiting.append(attempt)
            yield from self._wait(attempt)
        elif code == LOST:
            self.waiting.insert(0, attempt)
            yield Event("retried", attempt.cell, f"{host} was lost")
        else:
            reason = self._reason(attempt, code or 0)
            if host != socket.gethostname():
                reason = f"{reason} (on {host})"
            self.store.add_failure(attempt.cell.digest, reason, taken, host)
            again = attempt.left > 0 and code != REFUSED
            if again:
                attempt.left -= 1
                self.waiting.insert(0, attempt)
            yield Event("retried" if again else "failed", attempt.cell, reason)

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
        for process in self.running:
            process.terminate()
        until = time.monotonic() + PATIENCE
        for process in self.running:
            process.join(max(0.0, until - time.monotonic()))
        for process in self.running:
            if process.exitcode is None:
                process.kill()
                process.join(PATIENCE)
        self.running.clear()
