"""The engine of many machines, those of a cluster of Ray's, or of this one: `metabench[ray]`.

Ray says where a run can be, by CPUs and GPUs. There an actor, a `Slot`, starts our own process for each run, as the
local engine does. All else is as there: logs, locks, checkpoints and records are files in the folder of results, which
all machines share.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from episodes.extras import need
from episodes.files.atomic import write_bytes
from metabench.config import RunConfig
from metabench.errors import UsageError, first_line
from metabench.escape import plain
from metabench.sweep.cell_text import write_cell
from metabench.sweep.cells import Cell
from metabench.sweep.engine import Event, Limits
from metabench.sweep.pool import LOST, Process, make_runs
from metabench.sweep.slot import OWN, Slot
from metabench.sweep.store import Store

MOST_DEATHS = 5  # of Ray's workers in a row before they are of use
MOST_SECONDS = 5.0  # until an address answers
# Of HTTP/2, and so of what Ray speaks: what a client says first, and the kind of frame that a server then says first.
PREFACE, SETTINGS = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]), 4


@contextmanager
def connected(address: str | None, gpus: float | None = None) -> Iterator[Cluster]:
    """Within it there is a cluster: that at an address, or Ray on this machine alone.

    Args:
        address: `HOST:PORT`, or `auto` for one that runs on this machine; None to start Ray here, until the end.
        gpus: what a run takes of them, such as 0.5; None for a whole one where the cluster has any.

    Raises:
        UsageError: nothing of Ray's answers there, or a number of GPUs that Ray cannot share out.
        episodes.DataError: Ray is not installed.
    """
    ray = need("ray", "ray", "--ray-address" if address else "--ray")
    if gpus and not (0 < gpus <= 1 or gpus % 1 == 0):
        raise UsageError(f"--gpus-per-run {gpus:g}: give a share below 1, or a whole number")
    # No report on use; and where memory runs out, the system ends the largest process, and Ray not the newest, too.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_memory_monitor_refresh_ms": "0"}
    os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] = "1"  # of a slot that was lost as its run was to be stopped
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    if address and address != "auto":
        _check_address(address)
    on_term = signal.getsignal(signal.SIGTERM)
    try:
        if address:
            ray.init(address, **quiet)
        else:  # nothing large goes through Ray's own memory
            ray.init("local", include_dashboard=False, object_store_memory=100 << 20, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        advice = "start one by `ray start --head`, or give HOST:PORT" if address == "auto" else "correct the address"
        raise UsageError(f"--ray-address {address}: {plain(first_line(error), 200)}; {advice}") from None
    finally:
        signal.signal(signal.SIGTERM, on_term)  # Ray's own handler would end the process at once
    try:
        yield Cluster(ray, gpus)
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Raise UsageError if nothing that Ray may be answers, for which Ray itself would wait for minutes."""
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdigit() and int(port) < 1 << 16) or "/" in host:
        raise UsageError(f"--ray-address {plain(address, 100)} is no address; give HOST:PORT, as `ray start` says it")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), MOST_SECONDS) as connection:
            if os.environ.get("RAY_USE_TLS", "0") == "0":
                connection.sendall(PREFACE)
                connection.settimeout(MOST_SECONDS)
                said = connection.recv(9)
                if len(said) < 9 or said[3] != SETTINGS:
                    raise UsageError(f"--ray-address {address}: what answers is not Ray; give the port of `ray start`")
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"--ray-address {address}: nothing answers ({reason}); correct it, or start Ray there"
        ) from None


@dataclass(frozen=True)
class Cluster:
    """The machines that Ray is on; an `Engine`.

    Attributes:
        ray: the package.
        gpus: see `connected`.
    """

    ray: Any
    gpus: float | None = None

    def room(self, config: RunConfig) -> int:
        """How many runs like that can be made at once; of a study, all take the same.

        Raises:
            UsageError: no machine has what one takes.
        """
        wanted = self._wanted(config)
        found = sum(
            min(math.floor(machine.get(name, 0) / amount + 1e-9) for name, amount in wanted.items() if amount)
            for machine in self._machines().values()
        )
        if not found:
            takes = " and ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
            raise UsageError(
                f"a run takes {takes}, which no machine of Ray's has; change threads, device or --gpus-per-run"
            )
        return found

    def __call__(self, cells: Sequence[Cell], store: Store, limits: Limits) -> Iterator[Event]:
        """As an `Engine`."""
        if not cells:
            return
        config = cells[0].config
        self.room(config)
        token = store.folder / f"seen-{uuid.uuid4().hex}"
        write_bytes(token, b"")
        slots = _Slots(self.ray, limits.workers, self._wanted(config), self._facts(config, store, token))
        try:
            yield from make_runs(cells, store, limits, slots)
        finally:
            slots.close()
            token.unlink(missing_ok=True)

    def _machines(self) -> dict[str, dict[str, float]]:
        """What each has, by Ray's name for it."""
        return {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}

    def _wanted(self, config: RunConfig) -> dict[str, float]:
        """What such a run takes, by Ray's names."""
        machine = config.machine
        there = any(each.get("GPU") for each in self._machines().values())
        gpus = float(there) if self.gpus is None else self.gpus
        return {"CPU": machine.threads or 1, "GPU": 0.0 if machine.device == "cpu" else gpus}

    def _facts(self, config: RunConfig, store: Store, token: Path) -> str:
        """What a `Slot` is told of this process."""
        environment = {name: os.environ.get(name) for name in (*OWN, "OMP_NUM_THREADS")}
        if not self._wanted(config)["GPU"]:
            environment["CUDA_VISIBLE_DEVICES"] = ""
        return json.dumps(
            {
                "place": str(Path.cwd()),
                "results": str(store.results),
                "token": str(token.relative_to(store.results)),
                "version": version("metabench"),
                "path": sys.path,
                "environment": environment,
            }
        )


@dataclass(frozen=True, eq=False)
class _Open:
    """A slot that can be used."""

    actor: Any
    host: str
    node: str


@dataclass(eq=False)
class _Remote:
    """A `Process` that a slot has started."""

    ray: Any
    slot: _Open
    result: Any
    code: int | None = None
    slot_lost: bool = field(default=False)

    @property
    def exitcode(self) -> int | None:
        if self.code is None and self.ray.wait([self.result], timeout=0)[0]:
            try:
                self.code = self.ray.get(self.result)
            except self.ray.exceptions.RayActorError as error:
                self.slot_lost = True
                self.code = LOST if self._machine_lost(error) else -signal.SIGKILL
        return self.code

    def _machine_lost(self, error: Exception) -> bool:
        """Whether that is why, and not that the system killed Ray's worker, where memory ran out."""
        alive = any(node["NodeID"] == self.slot.node and node["Alive"] for node in self.ray.nodes())
        return not alive or isinstance(error, self.ray.exceptions.ActorUnavailableError)

    def terminate(self) -> None:
        self.slot.actor.terminate.remote()

    def kill(self) -> None:
        self.slot.actor.kill.remote()

    def join(self, timeout: float | None = None) -> None:
        self.ray.wait([self.result], timeout=timeout)


class _Slots:
    """`Places` on the machines of a cluster: as many as are wanted, of which Ray opens those that it has room for.

    One that is lost is asked for again, and opened wherever there is room.
    """

    def __init__(self, ray: Any, most: int, wanted: dict[str, float], facts: str) -> None:
        self.ray, self.most, self.facts = ray, most, facts
        kind = ray.remote(num_cpus=wanted["CPU"], num_gpus=wanted["GPU"], max_concurrency=2, max_restarts=0)
        self.slot = kind(Slot)
        self.opening: dict[Any, Any] = {}
        self.free: list[_Open] = []
        self.used: set[_Open] = set()
        self.deaths = 0

    def ready(self, wanted: int) -> bool:
        there = len(self.opening) + len(self.free) + len(self.used)
        for _ in range(min(self.most, len(self.used) + wanted) - there):
            actor = self.slot.remote()
            self.opening[actor.open.remote(self.facts)] = actor
        return bool(self.free)

    def start(self, cell: Cell) -> Process:
        slot = self.free.pop()
        self.used.add(slot)
        return _Remote(self.ray, slot, slot.actor.make.remote(write_cell(cell)))

    def wait(self, processes: Sequence[Process], seconds: float) -> Iterable[Process]:
        at_work = {cast(_Remote, process).result: cast(_Remote, process) for process in processes}
        waited_for = [*self.opening, *at_work]
        if not waited_for:
            time.sleep(seconds)
            return []
        found, _ = self.ray.wait(waited_for, timeout=seconds, fetch_local=False)
        for result in found:
            if result in self.opening:
                self._opened(result)
        ended = [at_work[result] for result in found if result in at_work]
        for process in ended:
            self.used.remove(process.slot)
            if process.exitcode is not None and not process.slot_lost:
                self.free.append(process.slot)
        return ended

    def _opened(self, result: Any) -> None:
        actor = self.opening.pop(result)
        try:
            host, node, problem = self.ray.get(result)
        except self.ray.exceptions.RayActorError as error:  # its machine was lost again
            self.deaths += 1
            if self.deaths > MOST_DEATHS:
                raise UsageError(f"Ray's workers end as they begin: {plain(first_line(error), 200)}") from None
            return
        except self.ray.exceptions.RayError as error:
            said = plain(str(error).strip().splitlines()[-1], 200)
            raise UsageError(
                f"a machine of Ray's cannot begin ({said}); install metabench {version('metabench')} there"
            ) from None
        if problem:
            raise UsageError(f"machine '{host}': {problem}")
        self.deaths = 0
        self.free.append(_Open(actor, host, node))

    def host(self, process: Process) -> str:
        return cast(_Remote, process).slot.host

    def close(self) -> None:
        """Give back all that was asked for."""
        for actor in (*self.opening.values(), *(slot.actor for slot in (*self.free, *self.used))):
            self.ray.kill(actor)
