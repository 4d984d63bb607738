"""The leaderboard's columns: one typed row, each column with what it says."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

SCHEMA_VERSION = 4  # of the columns below; it rises with any change of their names or meaning


def column(about: str) -> Any:
    """A column, with its line in the documentation."""
    return field(metadata={"about": about})


@dataclass(frozen=True)
class Columns:
    """One row of leaderboard.csv, in the order of its columns; nan where a number is not known."""

    schema_version: int = column("of these columns: 4")
    dataset: str = column("dataset as given to --dataset")
    split: str = column("its class split")
    ways: int | None = column("classes per task; 1 in regression; empty where tasks vary")
    shots: int | None = column("support items per class; in regression known points; empty where tasks vary")
    queries: int | None = column("query items per class; in regression points to predict; empty where tasks vary")
    task: str = column("what makes the tasks other than plain N-way K-shot; empty for plain")
    rank_low: int | None = column(
        "1 and one more for each learner that is significantly better (over seeds and tasks, Holm, 5%)"
    )
    rank_high: int | None = column(
        "the number of ranked learners, less those significantly worse; both empty if it has no rank"
    )
    seed_variance: str = column(
        "of that test: own; borrowed from learners with several seeds; none without training; or unknown"
    )
    learner: str = column("learner as given to --learner")
    settings: str = column(
        "options and budgets that differ from the learner's defaults for the dataset; empty for the defaults"
    )
    tries: int = column(
        "how many settings its own were chosen from on validation tasks, the most of its seeds; 1 where they were given"
    )
    search_seconds: float = column(
        "that the tries took, training and scoring, mean over seeds; empty where nothing was chosen"
    )
    metric: str = column(
        "what it is scored by: accuracy, span_f1 or answer_f1, or in regression squared_error, of which less is better"
    )
    mean: float = column("of the metric over test tasks; accuracies are in percent")
    half_width: float = column("of its 95% interval, in percentage points or as the error; the longer arm")
    low: float = column("where that interval begins")
    high: float = column("where it ends")
    interval_over: str = column(
        "what that interval covers: seeds and tasks, or with one training seed tasks; of one task its queries"
    )
    tasks_half_width: float = column(
        "of the 95% interval over tasks alone, of these trained networks, as papers report it; empty of one task"
    )
    tasks_low: float = column("where that interval begins")
    tasks_high: float = column("where it ends")
    classes_half_width: float = column(
        "of the 95% interval over test classes, or whole groups of them; empty if unknown"
    )
    classes_low: float = column("where that interval begins")
    classes_high: float = column("where it ends")
    floor: float = column("the best of what the same tasks give without training, in the same unit; mean over seeds")
    worst_tasks: float = column("mean of the worst 5% of tasks, in the same unit; mean over seeds")
    worst_class: float = column("accuracy of the class of the lowest, in percent, mean over seeds; empty in regression")
    class_quantile: float = column(
        "5% quantile of the classes' accuracies, in percent, mean over seeds; empty in regression"
    )
    calibration_error: float = column("expected calibration error in percent, mean over seeds; empty in regression")
    origin: str = column(
        "own, or added from elsewhere: verified (scored again, the same values) or unverified (and not ranked)"
    )
    seeds: int = column("training seeds pooled")
    seed_deviation: float = column(
        "standard deviation of the mean between training seeds, on the tasks of all; empty for one seed"
    )
    episodes: int = column("distinct test tasks")
    transductive: bool = column("whether an answer may depend on the task's other queries")
    outside_data: bool = column("whether weights were trained on other data")
    test_classes: str = column("whether the test classes were in that data: yes, no or unknown")
    parameters: int = column("parameters that scoring a task needs")
    task_milliseconds: float = column("median time for one task, or the first 100 of its queries, mean over seeds")
    task_megabytes: float = column("memory that one task takes (tensors, in MiB), mean over seeds")
    task_multiply_adds: float = column(
        "that scoring one task takes, mean over seeds; empty where they were not counted"
    )
    training_seconds: float = column("of a clock, of whatever else the machine did too; mean over seeds")
    processor_seconds: float = column("of training, mean over seeds; empty where they were not measured")
    multiply_adds: float = column("of training, mean over seeds; empty where they were not counted")
    images: int = column("items (in regression points) seen in training, mean over seeds")
    device: str = column("where it ran, as given by the machine")
    test_fingerprint: str = column(
        "first 8 digits of the test data's fingerprint: rows compare only where it is the same"
    )


COLUMNS: dict[str, str] = {item.name: item.metadata["about"] for item in fields(Columns)}
