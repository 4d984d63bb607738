"""Means with intervals, each of which says in words what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

REDRAWN_TASKS = "the draw of test tasks from these test classes and images; not the choice of either, nor training"
DISJOINT_TASKS = "the draw of test tasks, none sharing an image, and of images of these test classes; not training"
FUNCTIONS = "the draw of test tasks, functions and their points; not training"
CLASSES = "the choice of test classes with their images, and the draw of test tasks; not training"
SEEDS = "the training seed, and the draw of test tasks from these test classes and images; not the choice of either"

# With fewer values the bootstrap is worse than Student's t; with more its jackknife, of their squared number, is slow,
# and t leaves the bounds where a handful of values alone differ from them.
BOOTSTRAPPED = range(20, 5001)
RESAMPLES = 9999


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
        """The longer arm: mean - half_width to mean + half_width has the interval in it, and mostly is it."""
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

    Each is a mean square of the two-way analysis of variance, divided by seeds x tasks.
    """

    seeds: float
    tasks: float
    rest: float
    shape: tuple[int, int]

    @property
    def of_seeds(self) -> float:
        """What seeds add beyond the rest, which is in their mean square too."""
        return max(0, self.seeds - self.rest)


def mean_interval(
    values: ArrayLike, confidence: float = 0.95, *, bounded: bool = False, covers: str = REDRAWN_TASKS
) -> Estimate:
    """Mean and Student's t interval of independent values, e.g. the accuracies of n test tasks.

    What it covers is a matter of how the values were drawn: tasks that redraw the same images tell of the draw
    of tasks alone (`REDRAWN_TASKS`), disjoint ones of the images too (`DISJOINT_TASKS`; Lafargue et al. 2024,
    arXiv 2409.02850, section 3).

    Args:
        values: at least one.
        confidence: nominal coverage, between 0 and 1.
        bounded: whether values are fractions. Where the t interval would leave [0, 1], the interval is then the BCa
            bootstrap's (Efron 1987), or, of fewer than 20 or more than 5,000 values, t cut at the bounds. Where all
            values are 0, or all are 1, it is the exact binomial one of Clopper and Pearson (1934) for the chance
            that a value is not, which bounds the mean.
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
    quantile = special.stdtrit(sample.size - 1, (1 + confidence) / 2)
    reach = float(quantile * sample.std(ddof=1) / np.sqrt(sample.size))
    estimate = Estimate(mean, mean - reach, mean + reach, sample.size, covers)
    return _within_bounds(estimate, sample, confidence) if bounded else estimate


def _within_bounds(estimate: Estimate, sample: NDArray[np.float64], confidence: float) -> Estimate:
    if (sample == sample[0]).all() and sample[0] in (0, 1):
        exact = stats.binomtest(int(sample.sum()), sample.size).proportion_ci(confidence)
        return replace(estimate, low=float(exact.low), high=float(exact.high))
    if estimate.low >= 0 and estimate.high <= 1:
        return estimate
    if sample.size not in BOOTSTRAPPED:
        return _cut(estimate)
    interval = stats.bootstrap(
        (sample,), np.mean, confidence_level=confidence, n_resamples=RESAMPLES, batch=500, method="BCa", rng=0
    ).confidence_interval
    return replace(estimate, low=float(interval.low), high=float(interval.high))


def _cut(estimate: Estimate) -> Estimate:
    """The true mean of fractions is one too, so nothing is lost."""
    return replace(estimate, low=max(0.0, estimate.low), high=min(1.0, estimate.high))


def class_interval(answers: pd.DataFrame, confidence: float = 0.95) -> Estimate:
    """Mean accuracy over tasks with an interval that covers the choice of test classes.

    Classes are resampled by the jackknife: each in turn is left out with every task that has it, so that what a class
    does to the answers about the others (it may be taken for them) is counted. A bootstrap of the answers by their
    true class alone misses that. It is the jackknife of a U-statistic (Arvesen 1969, Annals of Mathematical
    Statistics 40), exact for what single classes add, but it counts the noise of a task once for each of its classes:
    the surplus is taken off, estimated by the residuals of least squares on the classes. Student's t with one degree
    less than there are classes, cut at [0, 1].

    Args:
        answers: one row a query; columns `task` (its number), `class` (the true class), `right` (bool).
        confidence: nominal coverage, between 0 and 1.

    Raises:
        ValueError: fewer tasks than classes, or a class that is in every task.
    """
    of_tasks = answers.groupby("task")["right"].mean().to_numpy(dtype=np.float64)
    task_numbers, class_numbers = pd.factorize(answers["task"], sort=True)[0], pd.factorize(answers["class"])[0]
    tasks, classes = len(of_tasks), class_numbers.max() + 1
    member = np.zeros((tasks, classes))
    member[task_numbers, class_numbers] = 1
    in_tasks = member.sum(0)
    if tasks <= classes or in_tasks.max() == tasks:
        raise ValueError(
            f"an interval over classes needs more tasks than classes and no class in all of them; found {tasks} tasks "
            f"of {classes} classes, one of them in {in_tasks.max():.0f}"
        )
    mean = of_tasks.mean()
    residuals = of_tasks - mean
    left_out = residuals @ member / (tasks - in_tasks)
    jackknife = (classes - 1) / classes * np.square(left_out - left_out.mean()).sum()
    products, gram = member.T @ residuals, member.T @ member
    effects = np.linalg.lstsq(gram, products, rcond=None)[0]
    noise = (residuals @ residuals - effects @ products) / (tasks - classes) / tasks
    # The sum of the noise in n of T tasks, less their share of all, has the variance n (1 - n / T) times that of one.
    counted = (in_tasks / (tasks - in_tasks)).sum() * (classes - 1) / classes
    variance = max(jackknife - (counted - 1) * noise, of_tasks.var(ddof=1) / tasks)
    reach = np.sqrt(variance) * stats.t.ppf((1 + confidence) / 2, classes - 1)
    return _cut(Estimate(float(mean), float(mean - reach), float(mean + reach), int(classes), CLASSES))


def seed_interval(scores: ArrayLike, confidence: float = 0.95, *, bounded: bool = False) -> SeedEstimate:
    """Mean over training seeds and tasks with an interval that covers both.

    All seeds meet the same tasks, so the two are crossed: variance components by the two-way analysis of variance
    with random effects, one score a cell (Searle, Casella and McCulloch 1992, chapter 4). For the interval see
    `seed_reach`. It covers as often as it says from three seeds on; of two it covers in 92% at the least.

    Args:
        scores: `[seeds, tasks]`, at least two of each.
        confidence: nominal coverage, between 0 and 1.
        bounded: whether scores are fractions; the interval is then cut at [0, 1].

    Raises:
        ValueError: fewer than two seeds or tasks.
    """
    table = np.asarray(scores, dtype=np.float64)
    parts = crossed(table)
    seeds, tasks = parts.shape
    mean, reach = float(table.mean()), seed_reach([parts], parts.tasks, confidence)
    estimate = Estimate(mean, mean - reach, mean + reach, seeds, SEEDS)
    return SeedEstimate(
        _cut(estimate) if bounded else estimate,
        seed=float(np.sqrt(parts.of_seeds * seeds)),
        task=float(np.sqrt(max(0, parts.tasks - parts.rest) * tasks)),
        rest=float(np.sqrt(parts.rest * seeds * tasks)),
    )


def crossed(table: NDArray[np.float64]) -> Crossed:
    """The parts of the variance of a table's mean, `[seeds, tasks]`.

    statsmodels has the same by a regression on a dummy variable a task, whose cost grows with the cube of their number.

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


def seed_reach(tables: Sequence[Crossed], of_tasks: float, confidence: float = 0.95) -> float:
    """Half of the interval, over seeds and tasks, of a learner's mean or of the difference between two.

    Seeds are few and tasks many, so each has Student's t of its own, and the two halves are squared and added (Howe
    1974, Journal of the American Statistical Association 69; Zou and Donner 2008, Statistics in Medicine 27). One t
    for their sum, with Satterthwaite's degrees of freedom, covers too seldom where three seeds differ much. The seeds
    of two learners go together by Welch's (1947).

    Args:
        tables: of one learner or two, on the same tasks.
        of_tasks: variance of the mean, or of the mean difference, over tasks.
        confidence: nominal coverage, between 0 and 1.
    """
    upper = (1 + confidence) / 2
    reach = of_tasks * stats.t.ppf(upper, tables[0].shape[1] - 1) ** 2
    of_seeds = sum(table.of_seeds for table in tables)
    if of_seeds > 0:
        freedom = of_seeds**2 / sum(table.of_seeds**2 / (table.shape[0] - 1) for table in tables)
        reach += of_seeds * stats.t.ppf(upper, freedom) ** 2
    return float(np.sqrt(reach))
