"""What a run's predictions say beyond their mean: calibration, the worst classes and tasks, and what is confused.

Everything is computed from a table of predictions (see `metabench.evaluation.score.tabulate`) alone.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from metabench.metrics.metric import Metric
from metabench.stats.intervals import Estimate, class_interval

BINS = 15  # as in Guo et al. 2017
WORST_TASKS = 0.05
LOW_CLASSES = 0.05  # the quantile of the classes' accuracies that stands beside the lowest


def reliability(predictions: pd.DataFrame, bins: int = BINS) -> pd.DataFrame:
    """The reliability diagram: how often predictions of similar confidence are right.

    Bin m of M holds the confidences in ((m - 1) / M, m / M], the first 0 too (Guo, Pleiss, Sun, Weinberger 2017,
    section 2).

    Returns:
        One row per bin, empty ones too: `low` and `high` (its ends), `queries`, `accuracy` and `confidence` (means,
        nan in an empty bin).
    """
    edges = np.arange(bins + 1) / bins
    binned = np.searchsorted(edges[1:], predictions["confidence"])
    facts = pd.DataFrame({"accuracy": right(predictions).astype(float), "confidence": predictions["confidence"]})
    grouped = facts.groupby(binned)
    table = grouped.mean().assign(queries=grouped.size()).reindex(range(bins))
    table["queries"] = table["queries"].fillna(0).astype(int)
    return table.assign(low=edges[:-1], high=edges[1:])[["low", "high", "queries", "accuracy", "confidence"]]


def calibration_error(predictions: pd.DataFrame, bins: int = BINS) -> float:
    """Expected calibration error, 0 to 1: the bins' mean gap between accuracy and confidence, by their queries.

    Guo et al. 2017, equation 3.
    """
    table = reliability(predictions, bins)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((gaps * table["queries"]).sum() / table["queries"].sum())


def worst_tasks(scores: ArrayLike, metric: Metric) -> float:
    """Mean score of the worst 5% of tasks, rounded up to whole tasks."""
    ordered = np.sort(np.asarray(scores, dtype=np.float64))
    count = math.ceil(WORST_TASKS * len(ordered))
    return float((ordered[:count] if metric.more_is_better else ordered[-count:]).mean())


def by_class(predictions: pd.DataFrame) -> pd.DataFrame:
    """Accuracy of each class that was asked for, the worst first: `class`, `group`, `queries`, `accuracy`.

    A class of few queries may be at either end by chance.
    """
    return _accuracies(predictions, ["class", "group"])


def by_group(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same for each group (alphabet, script, superclass): `group`, `queries`, `accuracy`."""
    return _accuracies(predictions, ["group"])


def over_classes(predictions: pd.DataFrame, whole_groups: bool, present: pd.DataFrame | None = None) -> Estimate | None:
    """`metabench.stats.intervals.class_interval`; None where the tasks say too little for one."""
    table = predictions.assign(right=right(predictions))
    try:
        return class_interval(table, whole_groups=whole_groups, present=present)
    except ValueError:
        return None


def confusions(predictions: pd.DataFrame) -> pd.DataFrame:
    """Which class is taken for which, most often first; only pairs that occur.

    Returns:
        `class` and `prediction` (names), `queries` (those so taken), `asked` (queries of the class in tasks where the
        other was among the classes: two classes that seldom meet are seldom confused) and `share` (of the two). A class
        is known to be among a task's if it has queries there or is predicted.
    """
    wrong = predictions[~right(predictions)]
    pairs = wrong.groupby(["class", "prediction"], observed=True).size().rename("queries").reset_index()
    asked = predictions.groupby(["task", "class"], observed=True).size().rename("asked").reset_index()
    with_queries = asked[["task", "class"]].rename(columns={"class": "prediction"})
    present = pd.concat([with_queries, wrong[["task", "prediction"]]]).drop_duplicates()
    met = asked.merge(pairs[["class", "prediction"]], on="class").merge(present, on=["task", "prediction"])
    totals = met.groupby(["class", "prediction"], observed=True)["asked"].sum().reset_index()
    table = pairs.merge(totals, on=["class", "prediction"])
    table = table.assign(share=table["queries"] / table["asked"])
    return _named(table, ["queries", "share"], [False, False])


def _accuracies(predictions: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = predictions[keys].assign(right=right(predictions)).groupby(keys, observed=True)["right"]
    table = pd.DataFrame({"queries": grouped.size(), "accuracy": grouped.mean()}).reset_index()
    return _named(table, ["accuracy", "queries"], [True, False])


def _named(table: pd.DataFrame, order: list[str], ascending: list[bool]) -> pd.DataFrame:
    """Sorted, with names in place of categories; ties by name, so that the order is that of the predictions alone."""
    names = [name for name in ("class", "group", "prediction") if name in table]
    table = table.astype(dict.fromkeys(names, "str"))
    return table.sort_values([*order, *names], ascending=[*ascending, *[True] * len(names)], ignore_index=True)


def right(predictions: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are right."""
    return np.asarray(predictions["class"].cat.codes == predictions["prediction"].cat.codes)
