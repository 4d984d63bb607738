"""Logger: what a run reports as it goes on, and under which names."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metabench.config import RunConfig, flat
from metabench.escape import plain
from metabench.records.record import RunRecord

Curve = Sequence[dict[str, Any]]
Points = set[tuple[str, int]]  # the name of a value, and its step


class Logger(ABC):
    """Where a run is logged. Any method may raise whatever the package behind it does.

    It is given the whole training curve each time, and adds the rows that are not there yet. So a resumed run goes on
    without doubled points, and what could not be logged at one row is caught up with at the next.

    Args:
        folder: of the run.
        config: with nothing left to be chosen.
        metric: what the run is scored by, as a score has it.
    """

    def __init__(self, folder: Path, config: RunConfig, metric: str) -> None:
        self.folder, self.config, self.metric = folder, config, metric
        self._logged: Points | None = None

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it logs to, for people."""

    @abstractmethod
    def start(self) -> None:
        """Begin, or go on with what an interrupted run left; before training, so that what cannot work is known."""

    def rows(self, curve: Curve) -> None:
        """Log what is missing of the training curve so far (see `metabench.training.plan.TrainingLog`)."""
        logged = self._read() if self._logged is None else self._logged
        self._logged = None  # unless all goes well: a request that fails may have been received all the same
        for row in curve:
            stage, step = row["stage"], row["step"]
            values = {value_name(stage, key): value for key, value in row.items() if key not in ("stage", "step")}
            missing = {name: value for name, value in values.items() if (name, step) not in logged}
            if missing:
                self._add(missing, step)
                logged |= {(name, step) for name in missing}
        self._logged = logged

    @abstractmethod
    def finish(self, record: RunRecord) -> None:
        """Log the values of the record, and the run's files where the package keeps files."""

    @abstractmethod
    def stop(self, status: str) -> None:
        """Say that the run ended too soon: `KILLED` by the user, or `FAILED`."""

    @abstractmethod
    def _read(self) -> Points:
        """What is logged of this run."""

    @abstractmethod
    def _add(self, values: dict[str, float], step: int) -> None: ...


def parameters_of(config: RunConfig) -> dict[str, str | int | float]:
    """The configuration as one level of names and values, without what is not set."""
    values = flat(config.model_dump(mode="json"))
    values |= {f"options.{name}": value for name, value in values.pop("options").items()}
    return {name: _parameter(value) for name, value in values.items() if value not in (None, "", [])}


def _parameter(value: Any) -> str | int | float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    return plain(value if isinstance(value, str) else json.dumps(value))


def values_of(record: RunRecord) -> dict[str, float]:
    """Every number in the record's scores, and the time of training."""
    parts: dict[tuple[str, ...], Any] = {("score",): record.score}
    parts |= {("companion", name): score for name, score in record.companions.items()}
    parts |= {("floor", name): floor for name, floor in record.floors.items()}
    fields = {(*part, key): value for part, score in parts.items() for key, value in score.model_dump().items()}
    for part in [("score",), *(("companion", name) for name in record.companions)]:
        fields[*part, record.score.metric] = fields.pop((*part, "mean"))
    fields["training", "seconds"] = record.training.seconds
    return {value_name(*path): value for path, value in fields.items() if isinstance(value, int | float)}


def value_name(*parts: str) -> str:
    """The name of a value, of the characters that both packages take in names; a plug-in's stages may have any."""
    return "/".join(re.sub(r"[^A-Za-z0-9_-]+", "_", part)[:100] or "_" for part in parts)
