"""`metabench run --tensorboard` and `--mlflow`: a run as it goes on, told to where people watch theirs."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from metabench import ranks
from metabench.config import RunConfig
from metabench.errors import InterruptionError, UsageError
from metabench.escape import plain
from metabench.loggers.base import Curve, Logger
from metabench.loggers.mlflow import MLflowLogger
from metabench.loggers.tensorboard import TensorBoardLogger
from metabench.records.record import RunRecord

# MLflow tries a server for minutes, in which training would stand still; here what fails is tried at the next row.
IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}

LOGGERS: dict[str, type[Logger]] = {"tensorboard": TensorBoardLogger, "mlflow": MLflowLogger}  # by setting and package


def check_packages(config: RunConfig) -> None:
    """Raise UsageError if the package of a logger that is asked for is missing."""
    for name in LOGGERS:
        if config[name]:
            # Its own reports of use are for the user to turn on.
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
            try:
                importlib.import_module(name)
            except ImportError:
                raise UsageError(f"--{name} needs the package {name}; pip install metabench[{name}]") from None


class Loggers:
    """All that a run is logged to. What goes wrong with one is said in one line, once, and does not cost the run."""

    def __init__(self, folder: Path, config: RunConfig, metric: str) -> None:
        self._loggers = {
            name: make(folder, config, metric) for name, make in LOGGERS.items() if config[name] and ranks.first()
        }
        self._warned: set[str] = set()

    def start(self) -> None:
        """Raise UsageError if one cannot begin, as where a tracking server is not reached."""
        for name, logger in self._loggers.items():
            try:
                with _impatient():
                    logger.start()
            except Exception as error:  # packages of others raise whatever they like
                problem = f"--{name} cannot log to {logger.place}: {_reason(error)}"
                raise UsageError(f"{_no_secrets(problem)}; put that right, or leave --{name} out") from None

    def rows(self, curve: Curve) -> None:
        self._each(lambda logger: logger.rows(curve))

    def finish(self, record: RunRecord) -> None:
        self._each(lambda logger: logger.rows(record.training.curve))
        self._each(lambda logger: logger.finish(record))

    def stop(self, status: str) -> None:
        self._each(lambda logger: logger.stop(status))

    def _each(self, act: Callable[[Logger], None]) -> None:
        for name, logger in self._loggers.items():
            try:
                with _impatient():
                    act(logger)
            except Exception as error:
                if name not in self._warned:
                    problem = _no_secrets(f"--{name} could not log: {_reason(error)}")
                    tqdm.write(f"metabench: {problem}; the run goes on", file=sys.stderr)
                self._warned.add(name)


@contextmanager
def logged(folder: Path, config: RunConfig, metric: str) -> Iterator[Loggers]:
    """Within it the run in the folder is logged to all that its configuration asks for; an error ends it there too.

    Raises:
        UsageError: as `Loggers.start`.
    """
    loggers = Loggers(folder, config, metric)
    try:
        loggers.start()
        yield loggers
    except BaseException as error:
        loggers.stop("KILLED" if isinstance(error, KeyboardInterrupt | InterruptionError) else "FAILED")
        raise


@contextmanager
def _impatient() -> Iterator[None]:
    added = {name: value for name, value in IMPATIENCE.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _reason(error: BaseException) -> str:
    """What the system says lies behind it, as `Connection refused`; else the error's first line."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return plain((str(error).splitlines() or [type(error).__name__])[0], 300)


def _no_secrets(text: str) -> str:
    """Without the user and password of an address."""
    return re.sub(r"//[^/@\s]*@", "//", text)
