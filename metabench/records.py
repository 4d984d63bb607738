"""RunRecord: what a run writes, and reading it back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from episodes.cache import write_atomically
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.measure import ACCURACY, SQUARED_ERROR, Measure

RECORD_FILE = "record.json"
ACCURACIES_FILE = "accuracies.csv"

Fact = TypeVar("Fact", str, int)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Score(_Part):
    """One learner on the test tasks.

    Attributes:
        accuracy: mean over tasks, 0 to 1; None in regression.
        squared_error: the tasks' mean squared errors, their mean; None in classification.
        half_width: of its 95% interval; the longer arm, where it is not symmetric (see `metabench.stats`).
        low, high: the interval itself; None in records from before there were asymmetric ones.
        covers: what the interval is about, in words; None likewise: then it is the draw of tasks and nothing else.
        parameters: that scoring a task needs.
        task_milliseconds: median time to adapt to one task and answer its queries.
    """

    accuracy: float | None = Field(None, ge=0, le=1)
    squared_error: float | None = Field(None, ge=0)
    half_width: float = Field(ge=0)
    low: float | None = None
    high: float | None = None
    covers: str | None = None
    parameters: int
    task_milliseconds: float

    @model_validator(mode="after")
    def _one_measure(self) -> Score:
        if (self.accuracy is None) == (self.squared_error is None):
            raise ValueError("a score has either an accuracy or a squared_error")
        return self

    @property
    def measure(self) -> Measure:
        """What it is a score of."""
        return SQUARED_ERROR if self.accuracy is None else ACCURACY

    @property
    def mean(self) -> float:
        """The measure's mean over tasks."""
        value: float = getattr(self, self.measure.field)
        return value


class Banks(_Part, Generic[Fact]):
    """One fact about each of a dataset's banks."""

    train: Fact
    validation: Fact
    test: Fact


class DatasetInfo(_Part):
    """name and split as asked for; fingerprints and class counts of the banks; digest of frozen test tasks.

    In regression image_shape is that of an input, (1,), and there are 0 classes.
    """

    name: str
    split: str
    image_shape: tuple[int, ...]
    fingerprints: Banks[str]
    classes: Banks[int]
    tasks: str | None = None


class Training(_Part):
    """See `metabench.training.TrainingLog`."""

    curve: list[dict[str, Any]]
    best: dict[str, dict[str, float]]
    seconds: float
    images: int


class RunRecord(_Part):
    """A finished run: enough to repeat it and to draw every table from.

    Attributes:
        id: the name of the run's folder.
        config: as resolved: what the user gave and every default.
        changed_options: the learner's options that are not its defaults for this dataset.
        transductive, outside_data: what the learner was given (see `metabench.Learner`).
        score: the result.
        companions: scores of other models in the learner (a student's teacher), by name.
        evaluation_seconds: for all test tasks.
        peak_memory_megabytes: of the process on CPU, of the GPU's allocations on a GPU;
            None on systems that do not tell.
        environment: versions, platform, device, threads, commit.
    """

    schema_version: Literal[1] = 1
    id: str
    created: str
    config: RunConfig
    changed_options: dict[str, Any]
    dataset: DatasetInfo
    transductive: bool
    outside_data: bool
    score: Score
    companions: dict[str, Score]
    training: Training
    evaluation_seconds: float
    peak_memory_megabytes: float | None
    environment: dict[str, Any]


def now() -> str:
    """The time, UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def write_accuracies(folder: Path, columns: dict[str, NDArray[np.float64]]) -> None:
    """One row a test task: its number and the measure of the learner and of each companion; atomically."""
    table = pd.DataFrame(columns)
    text = table.to_csv(index_label="episode", float_format="%.6g")
    write_atomically(folder / ACCURACIES_FILE, lambda file: file.write(text.encode()))


def read_record(path: Path) -> tuple[RunRecord, NDArray[np.float64]]:
    """A record and its measure on each task, `[episodes]`, checked against each other.

    Args:
        path: the JSON file; the accuracies lie beside it.

    Raises:
        UsageError: names the file and what is wrong with it.
    """
    try:
        record = RunRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read record '{path}': {error.strerror or error}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise UsageError(f"'{path}' is not a valid record: {place + ': ' if place else ''}{problem['msg']}") from None
    table = path.with_name(ACCURACIES_FILE)
    try:
        accuracies = pd.read_csv(table, index_col="episode")["learner"].to_numpy(dtype=np.float64)
    except (OSError, ValueError, KeyError, pd.errors.ParserError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read '{table}', the accuracies of record '{path}': {reason}") from None
    difference = abs(accuracies.mean() - record.score.mean)
    if len(accuracies) != record.config.episodes or not difference < 1e-4 * max(1, record.score.mean):
        raise UsageError(f"'{table}' does not fit record '{path}': other tasks or another mean; restore one of the two")
    return record, accuracies
