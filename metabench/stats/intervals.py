"""Means with intervals, each of which says in words what it covers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special, stats

REDRAWN_TASKS = "the draw of test tasks from these test classes and images; not the choice of either, nor training"
DISJOINT_TASKS = "the draw of test tasks, none sharing an image, and of images of these test classes; not training"
QUERIES = "the choice of queries of these classes in the one task; not of its labelled items, nor training"
FUNCTIONS = "the draw of test tasks, functions and their points; not training"
CLASSES = "the choice of test classes with their images, and the draw of test tasks; not training"
GROUPS = "the choice of whole groups of test classes, and the draw of test tasks; not training"
SEEDS = "the training seed, and the draw of test tasks from these test classes and images; not the choice of either"

FEWEST_GROUPS = 3
LEAST_P = 1e-12  # smaller p-values are given as this: 1 - p has no digits left for them


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval.

    Attributes:
        mean: the sample mean.
        low, high: the interval, not always symmetric about the mean; nan for a single value.
        count: how many values.
        covers: what the interval is about, in words.
    """

    mean: float
    low: float
    high: float
    count: int
    covers: str

    @property
    def half_width(self) -> float:
        """The longer arm: mean - half_width to mean + half_width contains the interval, and mostly equals it."""
        return max(self.mean - self.low, self.high - self.mean)


@dataclass(frozen=True)
class SeedEstimate:
    """A mean over training seeds and tasks, and how far each makes scores differ.

    Attributes:
        estimate: its count is that of seeds.
        seed, task, rest: the components' standard deviations, in the unit of the scores: of a seed's mean over all
            tasks, of a task's mean over all seeds, and of what neither explains.
    """

    estimate: Estimate
    seed: float
    task: float
    rest: float


@dataclass(frozen=True)
class Crossed:
    """What seeds, tasks and the rest add to the variance of a mean over seeds that all met the same tasks.

    Each is a mean square of the two-way analysis of variance, divided by seeds x tasks; shape is the two numbers.
    """

    seeds: float
    tasks: float
    rest: float
    shape: tuple[int, int]

    @property
    def of_seeds(self) -> float:
        """What seeds add beyond the rest, which is in their mean square too; of two seeds, for safety, all of that.

        Two seeds are alike by chance too often: intervals that relied on it would cover in less than 92% of cases.
        """
        return max(0, self.seeds - self.rest) if self.shape[0] > 2 else self.seeds


def mean_interval(
    values: ArrayLike, confidence: float = 0.95, *, bounded: bool = False, covers: str = REDRAWN_TASKS
) -> Estimate:
    """Mean and Student's t interval of independent values, e.g. the accuracies of n test tasks.

    What it covers depends on how the values were drawn: with tasks that redraw the same images it is the draw of
    tasks alone (`REDRAWN_TASKS`), with disjoint ones that of the images too (`DISJOINT_TASKS`; Lafargue et al. 2024,
    arXiv 2409.02850, section 3).

    Args:
        values: at least one.
        confidence: nominal coverage, between 0 and 1.
        bounded: whether values are fractions. The interval is then Wilson's score interval (1927) for as many trials
            as have the variance of the mean, m (1 - m) / (s^2 / n), with Student's t in place of z (Dean and Pagano
            2015, Journal of Survey Statistics and Methodology 3): it stays within [0, 1], and near its ends it is not
            symmetric.
            Where all values are 0, or all are 1, it is the exact binomial one of Clopper and Pearson (1934) for the
            chance that a value is not, which bounds the mean.
        covers: for the estimate.

    Raises:
        ValueError: if there is no value.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0:
        raise ValueError("an interval needs at least one value; found none")
    mean = float(sample.mean())
    if sample.size == 1:
        return Estimate(mean, float("nan"), float("nan"), 1, covers)
    # The function itself: `stats.t.ppf` and `stats.sem` check their arguments for ten times as long as they compute.
    quantile = float(special.stdtrit(sample.size - 1, (1 + confidence) / 2))
    reach = float(quantile * np.sqrt(sample.var(ddof=1) / sample.size))
    if bounded and mean in (0, 1):
        exact = stats.binomtest(int(sample.sum()), sample.size).proportion_ci(confidence)
        return Estimate(mean, float(exact.low), float(exact.high), sample.size, covers)
    return _estimate(mean, reach, sample.size, covers, bounded)


def query_interval(accuracy: float, queries: int, confidence: float = 0.95) -> Estimate:
    """The accuracy on the queries of one task with Wilson's score interval (1927), as of so many independent trials.

    Of one task nothing is known of how others would differ, so it covers the choice of queries alone (`QUERIES`). Where
    there are as many queries of each class it is a little too wide, since these are then no part of the choice.

    Args:
        accuracy: the fraction of queries that are right.
        queries: how many there are, at least one.
        confidence: nominal coverage, between 0 and 1.
    """
    right = round(accuracy * queries)
    found = stats.binomtest(right, queries).proportion_ci(confidence, method="wilson")
    return Estimate(accuracy, float(found.low), float(found.high), queries, QUERIES)


def _estimate(mean: float, reach: float, count: int, covers: str, bounded: bool) -> Estimate:
    """mean ± reach, or of a fraction Wilson's score interval of the same reach at the mean's own variance."""
    if bounded and 0 < mean < 1:
        weight = reach**2 / (mean * (1 - mean))  # z^2 / n, with n the effective number of trials
        centre = (mean + weight / 2) / (1 + weight)
        reach = float(np.sqrt(weight * (mean * (1 - mean) + weight / 4))) / (1 + weight)
        return Estimate(mean, max(0.0, centre - reach), min(1.0, centre + reach), count, covers)
    return Estimate(mean, mean - reach, mean + reach, count, covers)


def class_interval(
    predictions: pd.DataFrame,
    confidence: float = 0.95,
    *,
    whole_groups: bool = False,
    present: pd.DataFrame | None = None,
) -> Estimate:
    """Mean accuracy over tasks with an interval that covers the choice of test classes.

    Classes are resampled by the jackknife: each in turn is left out with every task that has it, so that what a class
    does to the predictions for the others (it may be taken for them) is counted. A bootstrap of the predictions by
    their true class alone misses that. It is the jackknife of a U-statistic (Arvesen 1969, Annals of Mathematical
    Statistics 40), exact for what single classes add, but it counts the noise of a task once for each of its classes:
    the surplus is taken off, estimated by the residuals of least squares on the classes. Student's t with one degree
    less than there are classes, cut at [0, 1].

    Where test classes come as whole groups (scripts, superclasses), classes of one group are not independent: what
    leaving them out does is added up group by group, as in a cluster-robust variance (Liang and Zeger 1986, Biometrika
    73), and t has one degree less than the effective number of groups, (sum of sizes)^2 / sum of squared sizes.

    Args:
        predictions: one row per query; columns `task` (number), `class` (the true class), `right` (bool), and `group`.
        confidence: nominal coverage, between 0 and 1.
        whole_groups: whether classes were chosen as whole groups.
        present: `task` and `class` of every class of every task, where some have no queries in it; None where all have.

    Raises:
        ValueError: fewer tasks than classes, a class that is in every task, tasks that all come out alike, or fewer
            than three groups.
    """
    of_tasks = predictions.groupby("task")["right"].mean().to_numpy(dtype=np.float64)
    task_numbers, numbers = pd.factorize(predictions["task"], sort=True)
    class_numbers, names = pd.factorize(predictions["class"])
    tasks, classes = len(of_tasks), class_numbers.max() + 1
    member = np.zeros((tasks, classes))
    member[task_numbers, class_numbers] = 1
    if present is not None:
        places = [pd.Index(known).get_indexer(present[name]) for known, name in ((numbers, "task"), (names, "class"))]
        asked = places[1] >= 0  # of a class that no task asks for nothing is known
        member[places[0][asked], places[1][asked]] = 1
    in_tasks = member.sum(0)
    if tasks <= classes or in_tasks.max() == tasks:
        raise ValueError(
            f"an interval over classes needs more tasks than classes and no class in all of them; found {tasks} tasks "
            f"of {classes} classes, one of them in {in_tasks.max():.0f}"
        )
    mean = of_tasks.mean()
    residuals = of_tasks - mean
    if not residuals.any():
        raise ValueError(f"an interval over classes needs tasks that differ; found {mean:g} on each")
    left_out = residuals @ member / (tasks - in_tasks)
    effects = left_out - left_out.mean()
    # What leaving classes out does to each task's part in the mean, so that the noise of tasks can be followed.
    parts = member / (tasks - in_tasks)
    units, freedom = float(classes), classes - 1.0
    if whole_groups:
        groups = np.zeros(classes, dtype=np.int64)
        groups[class_numbers] = pd.factorize(predictions["group"])[0]
        sizes = np.bincount(groups)
        if len(sizes) < FEWEST_GROUPS:
            raise ValueError(f"an interval over groups needs {FEWEST_GROUPS} or more; found {len(sizes)}")
        of_groups = np.eye(len(sizes))[groups]
        effects, parts = effects @ of_groups, parts @ of_groups
        units, freedom = float(len(sizes)), float(classes**2 / np.square(sizes).sum() - 1)
    scale = (classes - 1) ** 2 / classes**2 * units / (units - 1)
    jackknife = scale * np.square(effects).sum()
    products, gram = member.T @ residuals, member.T @ member
    explained = np.linalg.lstsq(gram, products, rcond=None)[0] @ products
    noise = (residuals @ residuals - explained) / (tasks - classes) / tasks
    counted = scale * tasks * np.square(parts - parts.mean(0)).sum()
    variance = max(jackknife - (counted - 1) * noise, of_tasks.var(ddof=1) / tasks)
    reach = np.sqrt(variance) * stats.t.ppf((1 + confidence) / 2, freedom)
    covers = GROUPS if whole_groups else CLASSES
    # Not Wilson's: with few classes it is wide, and the variance between classes is not a binomial one.
    return Estimate(float(mean), max(0.0, mean - reach), min(1.0, mean + reach), int(units), covers)


def seed_interval(scores: ArrayLike, confidence: float = 0.95, *, bounded: bool = False) -> SeedEstimate:
    """Mean over training seeds and tasks with an interval that covers both.

    All seeds meet the same tasks, so the two are crossed: variance components by the two-way analysis of variance
    with random effects, one score per cell (Searle, Casella and McCulloch 1992, chapter 4). For the interval see
    `seed_reach`.

    Args:
        scores: `[seeds, tasks]`, at least two of each.
        confidence: nominal coverage, between 0 and 1.
        bounded: whether scores are fractions; the interval is then Wilson's (see `mean_interval`).

    Raises:
        ValueError: fewer than two seeds or tasks.
    """
    table = np.asarray(scores, dtype=np.float64)
    parts = crossed(table)
    seeds, tasks = parts.shape
    mean, reach = float(table.mean()), seed_reach([parts], parts.tasks, tasks, confidence)
    return SeedEstimate(
        _estimate(mean, reach, seeds, SEEDS, bounded),
        seed=float(np.sqrt(max(0, parts.seeds - parts.rest) * seeds)),
        task=float(np.sqrt(max(0, parts.tasks - parts.rest) * tasks)),
        rest=float(np.sqrt(parts.rest * seeds * tasks)),
    )


def crossed(table: NDArray[np.float64]) -> Crossed:
    """The parts of the variance of a table's mean, `[seeds, tasks]`.

    statsmodels has the same by a regression on a dummy variable per task, whose cost grows with the cube of their
    number.

    Raises:
        ValueError: fewer than two seeds or tasks.
    """
    if table.ndim != 2 or min(table.shape) < 2:
        raise ValueError(f"an interval over seeds needs two seeds and two tasks; found {table.shape}")
    seeds, tasks = table.shape
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + table.mean()
    return Crossed(
        float(table.mean(1).var(ddof=1) / seeds),
        float(table.mean(0).var(ddof=1) / tasks),
        float(np.square(rest).sum() / ((seeds - 1) * (tasks - 1)) / (seeds * tasks)),
        (seeds, tasks),
    )


def seed_reach(tables: Sequence[Crossed], of_tasks: float, tasks: int, confidence: float = 0.95) -> float:
    """Half of the interval, over seeds and tasks, of a learner's mean or of the difference between two.

    Seeds are few and tasks many, so each has Student's t of its own, and the two halves are squared and added (Howe
    1974, Journal of the American Statistical Association 69; Zou and Donner 2008, Statistics in Medicine 27). One t
    for their sum, with Satterthwaite's degrees of freedom, covers too seldom where three seeds differ much. The seeds
    of two learners are combined as in Welch's test (1947).

    Args:
        tables: of one learner or two, on the same tasks; none of a learner without training, which has no seeds.
        of_tasks: variance of the mean, or of the mean difference, over tasks.
        tasks: how many.
        confidence: nominal coverage, between 0 and 1.
    """
    upper = (1 + confidence) / 2
    reach = of_tasks * special.stdtrit(tasks - 1, upper) ** 2
    of_seeds = sum(table.of_seeds for table in tables)
    if of_seeds > 0:
        freedom = of_seeds**2 / sum(table.of_seeds**2 / (table.shape[0] - 1) for table in tables)
        reach += of_seeds * special.stdtrit(freedom, upper) ** 2
    return float(np.sqrt(reach))


def seed_p_value(difference: float, tables: Sequence[Crossed], of_tasks: float, tasks: int) -> float:
    """The p-value that belongs to the interval of `seed_reach`: 1 less the confidence at which it ends at 0.

    Args:
        difference: of the two means.
        tables, of_tasks, tasks: as of `seed_reach`.
    """

    def beyond(log_p: float) -> float:
        return seed_reach(tables, of_tasks, tasks, -np.expm1(log_p)) - abs(difference)

    least = np.log(LEAST_P)
    if difference == 0 or beyond(-1e-9) >= 0:
        return 1.0
    return LEAST_P if beyond(least) <= 0 else float(np.exp(optimize.brentq(beyond, least, -1e-9)))


def retraining_deviation(tables: Iterable[NDArray[np.float64]]) -> tuple[float, int]:
    """By how much scores of one learner differ when it is trained again: a standard deviation, pooled over learners.

    Args:
        tables: of each learner `[seeds, tasks]`, its mean on the same tasks under each seed; one with a single seed
            says nothing.

    Returns:
        The standard deviation and its degrees of freedom; nan and 0 where no learner has two seeds.
    """
    means = [table.mean(1) for table in tables if len(table) > 1]
    freedom = sum(len(each) - 1 for each in means)
    squares = sum(np.square(each - each.mean()).sum() for each in means)
    return (float(np.sqrt(squares / freedom)), freedom) if freedom else (float("nan"), 0)
