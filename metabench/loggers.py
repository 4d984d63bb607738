"""`metabench run --tensorboard` and `--mlflow`: a run as it goes on, told to where people watch theirs."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import socket
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from metabench.config import RunConfig
from metabench.errors import InterruptionError, UsageError
from metabench.escape import plain
from metabench.hardest import HARDEST_FILE
from metabench.records import ACCURACIES_FILE, RECORD_FILE, RunRecord
from metabench.runs import CHECKPOINT_FILE

TENSORBOARD_FOLDER = "tensorboard"
MLFLOW_FILE = "mlflow-run.txt"  # the run's id in MLflow
MLFLOW_MOST_PARAMETERS = 100  # at once
# MLflow tries a server for minutes, in which training would stand still; here what fails is tried at the next row.
IMPATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}

Curve = Sequence[dict[str, Any]]
Points = set[tuple[str, int]]  # the name of a figure, and its step


class Logger(ABC):
    """Where a run is logged. Any method may raise whatever the package behind it does.

    It is given the whole training curve each time, and adds the rows that are not there yet. So a resumed run goes on
    without doubled points, and what could not be logged at one row is caught up with at the next.

    Args:
        folder: of the run.
        config: with nothing left to be chosen.
    """

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self.folder, self.config = folder, config
        self._logged: Points | None = None

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it logs to, for people."""

    @abstractmethod
    def start(self) -> None:
        """Begin, or go on with what an interrupted run left; before training, so that what cannot work is known."""

    def rows(self, curve: Curve) -> None:
        """Log what is missing of the training curve so far (see `metabench.training.TrainingLog`)."""
        logged = self._read() if self._logged is None else self._logged
        self._logged = None  # unless all goes well: a request that fails may have been heard all the same
        for row in curve:
            stage, step = row["stage"], row["step"]
            figures = {_name(stage, key): value for key, value in row.items() if key not in ("stage", "step")}
            missing = {name: value for name, value in figures.items() if (name, step) not in logged}
            if missing:
                self._add(missing, step)
                logged |= {(name, step) for name in missing}
        self._logged = logged

    @abstractmethod
    def finish(self, record: RunRecord) -> None:
        """Log the figures of the record, and the run's files where the package keeps files."""

    @abstractmethod
    def stop(self, status: str) -> None:
        """Say that the run ended too soon: `KILLED` by the user, or `FAILED`."""

    @abstractmethod
    def _read(self) -> Points:
        """What is logged of this run."""

    @abstractmethod
    def _add(self, figures: dict[str, float], step: int) -> None: ...


class TensorBoardLogger(Logger):
    """Event files in the run's folder.

    They are written here and now: the writer of `torch.utils.tensorboard` does it in a thread, where a full disk cannot
    be caught.
    """

    def start(self) -> None:
        self._folder = self.folder / TENSORBOARD_FOLDER
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
        self._path = self._folder / name
        self._read()

    @property
    def place(self) -> str:
        return f"'{self.folder / TENSORBOARD_FOLDER}'"

    def finish(self, record: RunRecord) -> None:
        self._add(_figures(record), 0)
        self._write(self._hparams()[2])

    def stop(self, status: str) -> None:
        pass  # there is no word for it in event files

    def _read(self) -> Points:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        if not self._folder.exists():
            return set()
        events = EventAccumulator(str(self._folder), size_guidance={"scalars": 0}).Reload()  # 0: all of them
        return {(name, event.step) for name in events.Tags()["scalars"] for event in events.Scalars(name)}

    def _add(self, figures: dict[str, float], step: int) -> None:
        from torch.utils.tensorboard.summary import scalar

        self._write(*(scalar(name, value) for name, value in figures.items()), step=step)  # type: ignore[no-untyped-call]

    def _hparams(self) -> tuple[Any, Any, Any]:
        """TensorBoard's summaries of what parameters and results there are, of the parameters, and of the end."""
        from torch.utils.tensorboard.summary import hparams

        measure = "squared_error" if self.config.regression else "accuracy"
        results = dict.fromkeys((f"score/{measure}", "score/half_width"))
        return hparams(_parameters(self.config), results)  # type: ignore[no-untyped-call,no-any-return]

    def _write(self, *summaries: Any, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._folder.mkdir(exist_ok=True)
        now, made = time.time(), io.BytesIO()
        events = [Event(wall_time=now, step=step, summary=summary) for summary in summaries]
        if not any(self._folder.iterdir()):
            events[:0] = [Event(wall_time=now, summary=summary) for summary in self._hparams()[:2]]
        size = self._path.stat().st_size if self._path.exists() else 0
        if not size:
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        for event in events:
            RecordWriter(made).write(event.SerializeToString())
        try:
            with self._path.open("ab") as file:
                file.write(made.getbuffer())
        except OSError:
            with suppress(OSError):  # nothing is read beyond half an event
                os.truncate(self._path, size)
            raise


class MLflowLogger(Logger):
    """A run in MLflow, where MLflow's own environment variables or `mlflow.set_experiment` say.

    Within another run of the same process it is nested. Its id is kept in the run's folder, to go on with it.
    """

    _id = ""

    @property
    def place(self) -> str:
        import mlflow

        return f"'{mlflow.get_tracking_uri()}' (MLFLOW_TRACKING_URI)"

    def start(self) -> None:
        import mlflow
        from mlflow.entities import Param

        _check_database(mlflow.get_tracking_uri())
        self._file = self.folder / MLFLOW_FILE
        known = self._file.read_text().strip() if self._file.exists() else None
        nested = mlflow.active_run() is not None
        run = mlflow.start_run(known, run_name=None if known else self.folder.name, nested=nested)
        self._id, self._client = run.info.run_id, mlflow.MlflowClient()
        self._file.write_text(self._id + "\n")
        parameters = [Param(name, str(value)) for name, value in _parameters(self.config).items()]
        for first in range(0, len(parameters), MLFLOW_MOST_PARAMETERS):
            self._client.log_batch(self._id, params=parameters[first : first + MLFLOW_MOST_PARAMETERS])

    def finish(self, record: RunRecord) -> None:
        self._add(_figures(record), 0)
        for name in (RECORD_FILE, ACCURACIES_FILE, HARDEST_FILE):
            self._client.log_artifact(self._id, str(self.folder / name))
        self._end("FINISHED")

    def stop(self, status: str) -> None:
        if self._id:
            if not (self.folder / CHECKPOINT_FILE).exists():
                self._file.unlink(missing_ok=True)  # there is nothing to resume
            self._end(status)

    def _end(self, status: str) -> None:
        import mlflow

        self._id = ""
        mlflow.end_run(status)

    def _read(self) -> Points:
        names = self._client.get_run(self._id).data.metrics
        return {(name, each.step) for name in names for each in self._client.get_metric_history(self._id, name)}

    def _add(self, figures: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in figures.items()])


LOGGERS: dict[str, type[Logger]] = {"tensorboard": TensorBoardLogger, "mlflow": MLflowLogger}  # by setting and package


def check_packages(config: RunConfig) -> None:
    """Raise UsageError if the package of a logger that is asked for is missing."""
    for name in LOGGERS:
        if getattr(config, name):
            try:
                importlib.import_module(name)
            except ImportError:
                raise UsageError(f"--{name} needs the package {name}; pip install metabench[{name}]") from None


class Loggers:
    """All that a run is logged to. What goes wrong with one is said in one line, once, and does not cost the run."""

    def __init__(self, folder: Path, config: RunConfig) -> None:
        self._loggers = {name: make(folder, config) for name, make in LOGGERS.items() if getattr(config, name)}
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
def logged(folder: Path, config: RunConfig) -> Iterator[Loggers]:
    """Within it the run in the folder is logged to all that its configuration asks for; an error ends it there too.

    Raises:
        UsageError: as `Loggers.start`.
    """
    loggers = Loggers(folder, config)
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


def _check_database(uri: str) -> None:
    """Raise what connecting raises, if it is a database: MLflow would try for minutes."""
    if urlsplit(uri).scheme.split("+")[0] not in ("sqlite", "postgresql", "mysql", "mssql"):
        return
    from sqlalchemy import create_engine, inspect, make_url

    url = make_url(uri)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)  # as MLflow does
    engine = create_engine(url)
    try:
        inspect(engine)
    finally:
        engine.dispose()


def _parameters(config: RunConfig) -> dict[str, str | int | float]:
    """The configuration as one level of names and values, without what is not set."""
    values = config.model_dump(mode="json")
    values |= {f"options.{name}": value for name, value in values.pop("options").items()}
    return {name: _parameter(value) for name, value in values.items() if value not in (None, "", [])}


def _parameter(value: Any) -> str | int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return plain(value if isinstance(value, str) else json.dumps(value))


def _figures(record: RunRecord) -> dict[str, float]:
    """Every number in the record's scores, and the time of training."""
    parts: dict[tuple[str, ...], Any] = {("score",): record.score}
    parts |= {("companion", name): score for name, score in record.companions.items()}
    parts |= {("floor", name): floor for name, floor in record.floors.items()}
    fields = {(*part, key): value for part, score in parts.items() for key, value in score.model_dump().items()}
    fields["training", "seconds"] = record.training.seconds
    return {_name(*path): value for path, value in fields.items() if isinstance(value, int | float)}


def _name(*parts: str) -> str:
    """The name of a figure, of what both packages take in names; a plug-in's stages may have any."""
    return "/".join(re.sub(r"[^A-Za-z0-9_-]+", "_", part)[:100] or "_" for part in parts)


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
