"""RunRecord: what a run writes, and reading it back."""

from __future__ import annotations

import io
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from episodes.cache import write_bytes
from episodes.errors import DataError
from metabench.answers import ANSWERS_FILE, digest
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.measure import ACCURACY, SQUARED_ERROR, Measure

RECORD_FILE = "record.json"
ACCURACIES_FILE = "accuracies.csv"
VERSIONS = (1, 2)  # 1 had no answers, no floors, and less in a score
# A file beyond is no record's: ten million tasks take less.
MOST_BYTES, MOST_BYTES_OF_TASKS = 2**25, 2**29

Fact = TypeVar("Fact", str, int)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# Figures that any table can hold and average: what a file says is not to be trusted with more.
Count = Annotated[int, Field(ge=0, lt=2**53)]
Amount = Annotated[float, Field(ge=0, le=1e15)]
MOST_ERROR = 1e100  # its square is still a number
MOST_HALF_WIDTH = 10  # of accuracies: Student's t of two tasks goes far beyond 1, and version 1 did not cut it


class Score(_Part):
    """One learner on the test tasks.

    Attributes:
        accuracy: mean over tasks, 0 to 1; None in regression.
        squared_error: the tasks' mean squared errors, their mean; None in classification.
        half_width: of its 95% interval; the longer arm, where it is not symmetric (see `metabench.stats`).
        low, high: the interval itself; None in records from before there were asymmetric ones.
        covers: what the interval is about, in words; None likewise: then it is the draw of tasks and nothing else.
        worst_tasks: mean over the worst 5% of tasks of accuracy or squared_error.
        worst_class: the lowest accuracy of any class over its queries; None in regression.
        calibration_error: expected calibration error (`metabench.analysis.calibration_error`); None in regression.
        parameters: that scoring a task needs.
        task_milliseconds: median time to adapt to one task and answer its queries.
        task_megabytes: what memory that takes (`metabench.cost.task_megabytes`).

    Of these, records of version 1 lack the worst_tasks, worst_class, calibration_error and task_megabytes.
    """

    accuracy: float | None = Field(None, ge=0, le=1)
    squared_error: float | None = Field(None, ge=0, le=MOST_ERROR)
    half_width: float = Field(ge=0, le=MOST_ERROR)
    low: float | None = None
    high: float | None = None
    covers: str | None = None
    worst_tasks: float | None = Field(None, ge=0, le=MOST_ERROR)
    worst_class: float | None = Field(None, ge=0, le=1)
    calibration_error: float | None = Field(None, ge=0, le=1)
    parameters: Count
    task_milliseconds: Amount
    task_megabytes: Amount | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Score:
        if (self.accuracy is None) == (self.squared_error is None):
            raise ValueError("a score has either an accuracy or a squared_error")
        if self.accuracy is not None and max(self.half_width / MOST_HALF_WIDTH, self.worst_tasks or 0) > 1:
            raise ValueError("half_width or worst_tasks is no accuracy")
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


class Floor(_Part):
    """What the test tasks give without training (see `metabench.floors`): a mean in the learner's measure.

    Attributes:
        mean: over the tasks.
        half_width: of its 95% interval, as of a `Score`.
        episodes: how many tasks: the run's first.
    """

    mean: float = Field(ge=0, le=MOST_ERROR)
    half_width: float = Field(ge=0, le=MOST_ERROR)
    episodes: Count


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
    seconds: Amount
    images: Count


class RunRecord(_Part):
    """A finished run: enough to repeat it and to draw every table from.

    Attributes:
        id: the name of the run's folder.
        config: as resolved: what the user gave and every default.
        changed_options: the learner's options that are not its defaults for this dataset.
        transductive, outside_data: what the learner was given (see `metabench.Learner`).
        score: the result.
        companions: scores of other models in the learner (a student's teacher), by name.
        floors: by name; none in records of version 1.
        answers: digest of the file of the learner's answers; None in regression and in records of version 1.
        evaluation_seconds: for all test tasks.
        peak_memory_megabytes: of the process on CPU, of the GPU's allocations on a GPU;
            None on systems that do not tell.
        environment: versions, platform, device, threads, commit.
    """

    schema_version: Literal[1, 2] = 2
    id: str
    created: str
    config: RunConfig
    changed_options: dict[str, Any]
    dataset: DatasetInfo
    transductive: bool
    outside_data: bool
    score: Score
    companions: dict[str, Score]
    floors: dict[str, Floor] = Field(default_factory=dict)
    answers: str | None = None
    training: Training
    evaluation_seconds: float
    peak_memory_megabytes: float | None
    environment: dict[str, Any]

    @model_validator(mode="before")
    @classmethod
    def _known_version(cls, values: Any) -> Any:
        found = values.get("schema_version", VERSIONS[-1]) if isinstance(values, dict) else 1
        if found not in VERSIONS:
            raise ValueError(
                f"it has schema version {found!r:.20}, and this metabench reads {' and '.join(map(str, VERSIONS))}; "
                "install the one that wrote it"
            )
        return values

    @model_validator(mode="after")
    def _figures_of_one_kind(self) -> RunRecord:
        scores = (self.score, *self.companions.values())
        if any((each.squared_error is None) == self.config.regression for each in scores):
            raise ValueError("a score is not of what its configuration asks for: accuracy, or in regression an error")
        if not self.config.regression and any(floor.mean > 1 for floor in self.floors.values()):
            raise ValueError("a floor is no accuracy")
        return self

    @field_validator("created")
    @classmethod
    def _a_time(cls, text: str) -> str:
        try:
            past = datetime.fromisoformat(text) < datetime.now(UTC) + timedelta(days=1)
        except (ValueError, TypeError):  # no time, or one without a zone
            raise ValueError("no time with its zone in ISO 8601, as 2026-01-31T12:00:00+00:00") from None
        if not past:
            raise ValueError("a time that is still to come")
        return text


def record_file(path: Path) -> Path:
    """The record that is meant by a run's folder, or by the file itself."""
    return path / RECORD_FILE if path.is_dir() else path


def now() -> str:
    """The time, UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def write_accuracies(folder: Path, columns: dict[str, NDArray[np.float64]]) -> None:
    """One row a test task: its number and the measure of the learner and of each companion; atomically."""
    table = pd.DataFrame(columns)
    text = table.to_csv(index_label="episode", float_format="%.6g")
    write_bytes(folder / ACCURACIES_FILE, text.encode())


def read_record(path: Path) -> tuple[RunRecord, NDArray[np.float64]]:
    """A record and its measure on each task, `[episodes]`, checked against each other.

    A file of answers must be the one that the record knows; `metabench.answers.read_answers` checks what is in it.

    Args:
        path: the JSON file; the accuracies, and the answers if they were kept, lie beside it.

    Raises:
        UsageError: names the file and what is wrong with it.
    """
    try:
        record = RunRecord.model_validate_json(_bytes(path, MOST_BYTES))
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"cannot read record '{path}': {reason}; name a run's folder, or the {RECORD_FILE} in it"
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        raise UsageError(f"'{path}' is not a valid record: {place + ': ' if place else ''}{what}") from None
    try:
        _ = record.config.test_recipe
    except (UsageError, DataError) as error:
        raise UsageError(f"'{path}' is not a valid record: config: {error}") from None
    measures = _measures(path.with_name(ACCURACIES_FILE), path, record)
    _check_answers(path.with_name(ANSWERS_FILE), path, record)
    return record, measures


def _measures(table: Path, path: Path, record: RunRecord) -> NDArray[np.float64]:
    try:
        numbers, measures = _columns(_bytes(table, MOST_BYTES_OF_TASKS), "episode", "learner")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read '{table}', the accuracies of record '{path}': {reason}") from None
    if len(measures) != record.config.episodes or not np.array_equal(numbers, np.arange(len(measures))):
        raise UsageError(
            f"'{table}' does not fit record '{path}': its episodes are not 0 to {record.config.episodes} - 1; "
            "restore one of the two"
        )
    most = 1 if record.score.measure is ACCURACY else MOST_ERROR
    wrong = np.flatnonzero(~((measures >= 0) & (measures <= most)))  # NaN is neither
    if wrong.size:
        raise UsageError(
            f"'{table}', the accuracies of record '{path}', has {measures[wrong[0]]:g} for task {wrong[0]}, which is "
            f"no {record.score.measure.name}; restore the file"
        )
    if not abs(measures.mean() - record.score.mean) < 1e-4 * max(1, record.score.mean):
        raise UsageError(f"'{table}' does not fit record '{path}': it has another mean; restore one of the two")
    return np.asarray(measures)


def _check_answers(file: Path, path: Path, record: RunRecord) -> None:
    try:
        found = digest(_bytes(file, MOST_BYTES_OF_TASKS))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(f"cannot read '{file}', the answers of record '{path}': {error.strerror or error}") from None
    if found != record.answers:
        raise UsageError(f"'{file}' does not fit record '{path}': other answers; restore one of the two")


def _bytes(path: Path, most: int) -> bytes:
    """The file's content; OSError for what is no file, as a pipe that would never end, or larger than `most`."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no file")
    if status.st_size > most:
        raise OSError(f"it has more than {most >> 20} MiB, which no record has")
    return path.read_bytes()


def _columns(table: bytes, *names: str) -> NDArray[np.float64]:
    """Columns of numbers of a CSV file without quotes, `[names, rows]`; a third of the time that pandas takes.

    Raises:
        ValueError: a column is missing, or something is no number.
    """
    header, _, body = table.decode().partition("\n")
    found = header.strip().split(",")
    for name in names:
        if name not in found:
            raise ValueError(f"it has no column '{name}'")
    if not body.strip():
        raise ValueError("it has no rows")
    places = [found.index(name) for name in names]
    return np.loadtxt(io.StringIO(body), delimiter=",", comments=None, usecols=places, ndmin=2, unpack=True)
