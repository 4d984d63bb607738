"""A run in MLflow."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

from metabench.loggers.base import Logger, Points, parameters_of, values_of
from metabench.records.checkpoint import CHECKPOINT_FILE
from metabench.records.record import HARDEST_FILE, HARDEST_PAGE, RECORD_FILE, SCORES_FILE, RunRecord

MLFLOW_FILE = "mlflow-run.txt"  # the run's id in MLflow
MLFLOW_MOST_PARAMETERS = 100  # at once


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
        parameters = [Param(name, str(value)) for name, value in parameters_of(self.config).items()]
        for first in range(0, len(parameters), MLFLOW_MOST_PARAMETERS):
            self._client.log_batch(self._id, params=parameters[first : first + MLFLOW_MOST_PARAMETERS])

    def finish(self, record: RunRecord) -> None:
        self._add(values_of(record), 0)
        for name in (RECORD_FILE, SCORES_FILE, HARDEST_FILE, HARDEST_PAGE):
            if (self.folder / name).exists():
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

    def _add(self, values: dict[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._id, [Metric(name, value, now, step) for name, value in values.items()])


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
