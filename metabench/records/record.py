"""RunRecord: what a run writes (and `metabench.records.reader` reads back)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from episodes.banks.bank import Kind
from episodes.files.atomic import write_bytes
from metabench.config import RunConfig
from metabench.metrics.metric import ACCURACY, METRICS, Metric
from metabench.records.migrations import migrate
from metabench.records.parts import MOST_ERROR, Amount, Count, Part
from metabench.records.seen import Seen
from metabench.records.selection import Selection

RECORD_FILE = "record.json"
SCORES_FILE = "scores.csv"
ACCURACIES_FILE = "accuracies.csv"  # the same in runs of schema versions 1 and 2
HARDEST_FILE, HARDEST_PAGE = "hardest.png", "hardest.html"  # the second of texts

Fact = TypeVar("Fact", str, int)


MOST_HALF_WIDTH = 10  # of accuracies: Student's t of two tasks goes far beyond 1, and version 1 did not cut it


class Interval(Part):
    """A 95% interval of the accuracy, of `count` classes or groups of classes, and what it is about in words."""

    half_width: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    count: Count
    covers: str


class Score(Part):
    """One learner on the test tasks.

    Attributes:
        metric: what it is scored by.
        mean: over tasks; an accuracy is 0 to 1, and so is F1.
        half_width: of its 95% interval over tasks, or over the queries of a single task; the longer arm, where it
            is not symmetric.
        low, high: the interval itself; None in records from before there were asymmetric ones.
        covers: what the interval is about, in words; None likewise: then it is the draw of tasks and nothing else.
        worst_tasks: mean over the worst 5% of tasks.
        worst_class: the lowest accuracy of any class over its queries; None in regression.
        calibration_error: expected calibration error (`metabench.stats.diagnostics.calibration_error`); None in
            regression.
        temperature: by which logits were divided for the confidences, fitted on the validation tasks
            (`metabench.evaluation.calibration.fit_temperature`); None where nothing was fitted.
        over_classes: the interval of the accuracy over the choice of test classes; None in regression, and where the
            tasks are too few for it.
        class_quantile: the 5% quantile of the test classes' accuracies; None in regression.
        exact_match: of questions the fraction that is answered to the word, mean over tasks; None of other tasks.
        parameters: that scoring a task needs.
        task_milliseconds: median time to adapt to one task and predict its queries.
        task_megabytes: what memory that takes (`metabench.evaluation.cost.task_megabytes`).
        task_multiply_adds: of matrix products and convolutions in it (`metabench.evaluation.cost.task_multiply_adds`).

    In tasks of words all that is of classes, and the calibration_error and temperature, is None as in regression.

    Of these, records of version 1 lack the worst_tasks, worst_class, calibration_error and task_megabytes, and those of
    version 2 the temperature, over_classes, class_quantile and task_multiply_adds.
    """

    metric: Literal["accuracy", "squared_error", "span_f1", "answer_f1"]
    mean: float = Field(ge=0, le=MOST_ERROR)
    half_width: float = Field(ge=0, le=MOST_ERROR)
    low: float | None = None
    high: float | None = None
    covers: str | None = None
    over_classes: Interval | None = None
    exact_match: float | None = Field(None, ge=0, le=1)
    worst_tasks: float | None = Field(None, ge=0, le=MOST_ERROR)
    worst_class: float | None = Field(None, ge=0, le=1)
    class_quantile: float | None = Field(None, ge=0, le=1)
    calibration_error: float | None = Field(None, ge=0, le=1)
    temperature: float | None = Field(None, gt=0, le=MOST_ERROR)
    parameters: Count
    task_milliseconds: Amount
    task_megabytes: Amount | None = None
    task_multiply_adds: Count | None = None

    @model_validator(mode="after")
    def _is_an_accuracy(self) -> Score:
        if METRICS[self.metric].percent:
            for name, most in (("mean", 1), ("worst_tasks", 1), ("half_width", MOST_HALF_WIDTH)):
                if (getattr(self, name) or 0) > most:
                    raise ValueError(
                        f"{name} is not an accuracy" if self.metric == ACCURACY.name else f"{name} is over 1"
                    )
        return self


class Floor(Part):
    """What the test tasks give without training (see `metabench.evaluation.floors`): a mean in the learner's metric.

    Attributes:
        mean: over the tasks.
        half_width: of its 95% interval, as of a `Score`.
        episodes: how many tasks: the run's first.
    """

    mean: float = Field(ge=0, le=MOST_ERROR)
    half_width: float = Field(ge=0, le=MOST_ERROR)
    episodes: Count


class Banks(Part, Generic[Fact]):
    """One fact about each of a dataset's banks."""

    train: Fact
    validation: Fact
    test: Fact


class DatasetInfo(Part):
    """name and split as asked for; fingerprints and class counts of the banks; digest of frozen test tasks.

    In regression image_shape is that of an input, (1,), and there are 0 classes.
    """

    name: str
    kind: Kind
    split: str
    image_shape: tuple[int, ...]
    fingerprints: Banks[str]
    classes: Banks[int]
    tasks: str | None = None


class Training(Part):
    """See `metabench.training.plan.TrainingLog`; records before version 3 lack processor time and multiply-adds."""

    curve: list[dict[str, Any]]
    best: dict[str, dict[str, float]]
    seconds: Amount
    processor_seconds: Amount | None = None
    images: Count
    multiply_adds: Count | None = None


class PretrainedOn(Part):
    """What weights were trained on: of a dataset's training classes, or of a file of texts, by its fingerprint."""

    kind: Literal["dataset", "file"]
    name: str
    split: str
    fingerprint: str


class WeightsInfo(Part):
    """The weights that a run began with: a file, or `pretrained` for those that its networks were published with.

    Attributes:
        file: its name, without its folder; `pretrained` of published weights.
        sha256: of the file, or of the published tensors.
        stages: of a file of `metabench pretrain` the objectives, in order; else none, like the next two.
        sources: the texts or pictures of all stages.
        texts, images: how many different ones.
    """

    file: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    stages: tuple[str, ...]
    sources: tuple[PretrainedOn, ...]
    texts: Count
    images: Count = 0


class NetworkInput(Part):
    """How images go into a network from elsewhere (see `metabench.outside.InputForm`)."""

    size: int | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str


class RunRecord(Part):
    """A finished run: enough to repeat it and to draw every table from.

    Attributes:
        id: the name of the run's folder.
        config: as resolved: what the user gave and every default.
        changed_options: the learner's options that are not its defaults for this dataset.
        transductive, outside_data: what the learner was given (see `metabench.Learner`).
        test_classes: whether the test classes were in the outside data (see `metabench.records.seen`).
        weights: that its networks began with; None where they began at random, or come with a package.
        inputs: of each network from elsewhere, by its name, how images go into it.
        selection: how its options were chosen; None where they were given.
        score: the result.
        companions: scores of other models in the learner (a student's teacher), by name.
        floors: by name; none in records of version 1.
        predictions: digest of their file; None in regression and in records of version 1.
        contract: a line on each point of the contract of learners that the trained learner breaks; it has no rank then.
        evaluation_seconds: for all test tasks.
        peak_memory_megabytes: of the process on CPU, of the GPU's allocations on a GPU;
            None on systems that do not tell.
        environment: versions, platform, device, processor, threads, commit.
    """

    schema_version: Literal[9] = 9
    id: str
    created: str
    config: RunConfig
    changed_options: dict[str, Any]
    dataset: DatasetInfo
    transductive: bool
    outside_data: bool
    test_classes: Seen
    weights: WeightsInfo | None = None
    inputs: dict[str, NetworkInput] = Field(default_factory=dict)
    selection: Selection | None = None
    score: Score
    companions: dict[str, Score]
    floors: dict[str, Floor] = Field(default_factory=dict)
    predictions: str | None = None
    contract: tuple[str, ...] = ()
    training: Training
    evaluation_seconds: float
    peak_memory_megabytes: float | None
    environment: dict[str, Any]

    @property
    def seeded(self) -> bool:
        """Whether scores depend on the training seed: it was trained, or has weights of no other training."""
        given = self.outside_data or self.weights is not None
        return self.training.images > 0 or (self.score.parameters > 0 and not given)

    @property
    def scored_by(self) -> Metric:
        """The metric of its scores."""
        return METRICS[self.score.metric]

    @property
    def regression(self) -> bool:
        """Whether its tasks are functions, scored by an error."""
        return self.dataset.kind == "functions"

    @model_validator(mode="before")
    @classmethod
    def _of_any_version(cls, values: Any) -> Any:
        return migrate(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _values_of_one_kind(self) -> RunRecord:
        scores = (self.score, *self.companions.values())
        if any(METRICS[each.metric].percent == self.regression for each in scores):
            raise ValueError("a score is not of what its configuration asks for: accuracy, or in regression an error")
        if not self.regression and any(floor.mean > 1 for floor in self.floors.values()):
            raise ValueError("a floor is not an accuracy")
        return self

    @model_validator(mode="after")
    def _of_the_best_try(self) -> RunRecord:
        if self.selection:
            best = self.selection.best(self.scored_by)
            if best is None or any(self.config.options.get(name) != value for name, value in best.options.items()):
                raise ValueError("selection: the options of config are not those of its best try")
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


def now() -> str:
    """The time, UTC, to the second, in ISO 8601."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


def write_scores(folder: Path, columns: dict[str, NDArray[np.float64]]) -> None:
    """One row per test task: its number and the score of the learner and of each companion; atomically."""
    table = pd.DataFrame(columns)
    text = table.to_csv(index_label="episode", float_format="%.6g")
    write_bytes(folder / SCORES_FILE, text.encode())
