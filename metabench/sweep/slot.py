"""A place for one run at a time on a machine of Ray's. Its process is Ray's, and starts one of ours for each run."""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from metabench.sweep.forked import context

OWN = ("METABENCH_CACHE", "METABENCH_DATA")  # variables that a machine may have of its own
PATIENCE = 5.0  # seconds until a new file must be seen on a shared file system


class Slot:
    """An actor of two threads: one waits for the run's process, another may stop it.

    It imports no torch; only the process that runs are forked from does. All that comes and goes is text and numbers.
    """

    def __init__(self) -> None:
        self.place = self.results = ""
        self.process: BaseProcess | None = None

    def open(self, facts: str) -> tuple[str, str, str]:
        """Be as the driver is: its current folder, places of modules and environment.

        Args:
            facts: JSON of what `metabench.sweep.cluster` says of the driver.

        Returns:
            The machine's name, Ray's for it, and what is wrong with it, if anything is.
        """
        said: dict[str, Any] = json.loads(facts)
        problem = self.problem(said)
        if not problem:
            self.place, self.results = said["place"], said["results"]
            self._prepare(said)
        return socket.gethostname(), sys.modules["ray"].get_runtime_context().get_node_id(), problem

    def problem(self, said: dict[str, Any]) -> str:
        """Why a run that is made here would not be found there; empty where it would."""
        if version("metabench") != said["version"]:
            return f"it has metabench {version('metabench')}, and {said['version']} is wanted; install that"
        place, results = said["place"], said["results"]
        if not Path(place).is_dir():
            return f"it has no folder '{place}', the current one; start the sweep in a folder that all machines share"
        token, until = Path(place, results, said["token"]), time.monotonic() + PATIENCE
        while not token.exists():
            if time.monotonic() > until:
                return f"it does not see what is written to '{results}'; give an --output that all machines share"
            time.sleep(0.1)
        return ""

    def _prepare(self, said: dict[str, Any]) -> None:
        os.chdir(self.place)
        # Ray's own are in front, and have other versions of packages.
        ray = Path(sys.modules["ray"].__file__ or "").parent
        sys.path[:] = [each for each in sys.path if ray not in Path(each).parents]
        sys.path += [each for each in said["path"] if each not in sys.path]
        for name, value in said["environment"].items():
            if name not in OWN:
                os.environ.pop(name, None)  # Ray's
            if value is not None:
                os.environ.setdefault(name, value)
        # A started process would import the main module again, Ray's.
        vars(sys.modules["__main__"]).pop("__file__", None)
        first = context().Process()  # does nothing, but after all is imported, which is to be no run's time
        first.start()
        first.join()

    def make(self, cell: str) -> int:
        """Make the run of a cell, and return its process's exit code, as `multiprocessing` has it."""
        process: BaseProcess = context().Process(target=work_on, args=(cell, self.results, self.place))
        process.start()
        self.process = process
        process.join()
        return process.exitcode or 0

    def terminate(self) -> None:
        """Have the run write its checkpoint and end."""
        if self.process:
            self.process.terminate()

    def kill(self) -> None:
        """End the run."""
        if self.process:
            self.process.kill()


def work_on(cell: str, results: str, place: str) -> None:
    """As `metabench.sweep.worker.work`, of a cell as text."""
    from metabench.sweep.cell_text import read_cell
    from metabench.sweep.worker import work

    work(read_cell(cell), Path(results), Path(place))
