"""Ranking: many learners on the same tasks, and over datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from metabench.stats.comparison import LEVEL
from metabench.stats.intervals import Crossed, crossed

FEWEST_ALIKE = 10
FEWEST_LENT = 6  # degrees of freedom from which on the rest is taken off the seeds' variance that is lent
FEWEST_BLOCKS = 5
SEED_FREEDOM = np.arange(1, 64.01, 1 / 16)  # values in between are rounded down, which is conservative


@dataclass(frozen=True, eq=False)
class Entrant:
    """A learner on a board.

    Attributes:
        scores: `[seeds, tasks]`, nan where a seed was not scored on a task; the same columns for all on the board.
        seeded: whether scores depend on the training seed; not those of a learner without training.
    """

    scores: NDArray[np.float64]
    seeded: bool = True

    @cached_property
    def of_tasks(self) -> NDArray[np.float64]:
        """The mean over seeds of each task, `[tasks]`; nan where no seed has it."""
        if len(self.scores) == 1:
            return np.asarray(self.scores[0])
        known = np.isfinite(self.scores)
        counts = known.sum(0)
        total = np.where(known, self.scores, 0).sum(0)
        return np.asarray(np.divide(total, counts, out=np.full(len(counts), np.nan), where=counts > 0))

    @cached_property
    def of_seeds(self) -> Crossed | None:
        """The parts of variance, on the tasks that all seeds have; None of one seed, or fewer than two such tasks."""
        shared = self.scores[:, np.isfinite(self.scores).all(0)]
        return crossed(shared) if self.seeded and min(shared.shape) > 1 else None

    @property
    def borrows(self) -> bool:
        """Whether the variance of its seeds is known from others alone."""
        return self.seeded and self.of_seeds is None


@dataclass(frozen=True)
class Place:
    """A learner's rank on a board: from 1 + significant losses to n - significant wins, as an interval.

    Attributes:
        low, high: the ranks.
        borrowed: whether the variance of its training seeds is that of others.
    """

    low: int
    high: int
    borrowed: bool = False

    def __str__(self) -> str:
        return (str(self.low) if self.low == self.high else f"{self.low}-{self.high}") + "*" * self.borrowed


def places(entrants: Sequence[Entrant], more_is_better: bool = True, level: float = LEVEL) -> list[Place | None]:
    """The rank of each learner as an interval that holds its rank among the learners (not among their networks).

    1 + the number of learners that are significantly better, to n - the number that it is significantly better than
    (Mogstad, Romano, Shaikh and Wilhelm 2024, Review of Economic Studies 91), by `outcomes`.

    Returns:
        None for all where a learner has one seed, and no other has two to tell how far seeds differ.
    """
    if any(entrant.borrows for entrant in entrants) and not any(entrant.of_seeds for entrant in entrants):
        return [None] * len(entrants)
    found = outcomes(entrants, more_is_better, level)
    losses, wins = (found < 0).sum(1), (found > 0).sum(1)
    return [
        Place(1 + int(lost), len(entrants) - int(won), entrant.borrows)
        for entrant, lost, won in zip(entrants, losses, wins, strict=True)
    ]


def outcomes(entrants: Sequence[Entrant], more_is_better: bool = True, level: float = LEVEL) -> NDArray[np.int64]:
    """Which learner is better than which, `[learners, learners]`: 1 better, -1 worse, 0 not distinguishable.

    By the test over training seeds and tasks (`metabench.stats.intervals.seed_reach`) of each pair's means over the
    tasks that both have, all pairs corrected together by Holm (1979): the chance of one or more wrong statements about
    learners in the whole table is at most `level`, as far as seeds are normal (see docs/comparing.md for simulations).

    With a single seed, a learner borrows the seeds' variance: pooled from those that have several, with
    Satterthwaite's degrees of freedom, in which rows that differ count for fewer.

    Args:
        entrants: at least one; none that borrows, or one at least with two seeds.
        more_is_better: which way is up.
        level: between 0 and 1.
    """
    if not entrants:
        return np.zeros((0, 0), dtype=np.int64)
    mean, of_tasks, freedom = _paired(np.stack([entrant.of_tasks for entrant in entrants]))
    of_seeds, seed_freedom = _seed_variances(entrants)
    pairs, rejected = len(mean) * (len(mean) - 1) // 2, 0
    apart = np.zeros_like(mean, dtype=bool)
    task_kinds = np.arange(freedom.max(initial=1) + 1)
    # Holm's steps, many at a time: with so many rejected, the others are compared at the level divided by their number.
    # By quantiles, since the p-values of a leaderboard's millions of pairs would take most of the time.
    while rejected < pairs:
        tail = level / 2 / (pairs - rejected)
        of_both = of_tasks * np.square(special.stdtrit(np.maximum(task_kinds, 1), tail))[freedom]
        of_both += of_seeds * np.square(special.stdtrit(SEED_FREEDOM, tail))[seed_freedom]
        apart = np.square(mean) > of_both
        if int(np.count_nonzero(apart)) // 2 == rejected:
            break
        rejected = int(np.count_nonzero(apart)) // 2
    found = np.where(apart, np.sign(mean), 0).astype(np.int64)
    return found if more_is_better else -found


def _seed_variances(entrants: Sequence[Entrant]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Of each two learners' difference, what seeds add to its variance, and the place of its freedom in `SEED_FREEDOM`.

    A variance that is lent to a learner is a mean of others' mean squares, so that with one of these it is correlated.
    """
    tables = [entrant.of_seeds for entrant in entrants]
    seeds = np.array([table.shape[0] if table else 2 for table in tables], dtype=np.float64)
    freedom, borrows = seeds - 1, np.array([entrant.borrows for entrant in entrants], dtype=np.float64)
    own = np.array([table.of_seeds if table else 0.0 for table in tables])
    has = np.array([table is not None for table in tables])
    total = max(1.0, freedom[has].sum())
    # Of one seed, since that is what is lent.
    whole = seeds * np.array([table.seeds if table else 0.0 for table in tables])
    if total >= FEWEST_LENT:
        whole = seeds * np.array([max(0.0, table.seeds - table.rest) if table else 0.0 for table in tables])
    shares = np.where(has, freedom / total, 0) * whole
    lent, lent_squares, shared = shares.sum(), (shares**2 / freedom).sum(), own * shares / freedom
    times = borrows[:, None] + borrows
    variance = own[:, None] + own + times * lent
    squares = (own**2 / freedom)[:, None] + own**2 / freedom + times**2 * lent_squares
    squares += 2 * times * (shared[:, None] + shared)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.clip(np.where(squares > 0, variance**2 / squares, 1), 1, SEED_FREEDOM[-1])
    return variance, ((found - 1) * 16 + 1e-6).astype(np.int64)


@dataclass(frozen=True)
class Ranking:
    """Learners over several datasets, which are the blocks (Demšar 2006, JMLR 7).

    Attributes:
        average_ranks: by learner, the lowest first; 1 is the best.
        statistic, p_value: Friedman's test that all learners are equal.
        critical_difference: Nemenyi's at 0.05: average ranks that differ by more differ significantly.
        nemenyi: its p-values, learner by learner.
        holm: p-values of Wilcoxon's signed-rank test over the blocks, all pairs corrected by Holm; of five blocks or
            fewer none can be below 0.05.
        blocks: how many; from about ten on Friedman's chi-squared holds well.
    """

    average_ranks: pd.Series[float]
    statistic: float
    p_value: float
    critical_difference: float
    nemenyi: pd.DataFrame
    holm: pd.DataFrame
    blocks: int


def rank(scores: pd.DataFrame) -> Ranking:
    """Rank learners over datasets.

    Tasks of one dataset are not blocks of their own: they share its images, and the tests then reject equality in 30 to
    90% of cases. Give their mean.

    Args:
        scores: one row per dataset, one column per learner, more is better (negate errors); at least 5 x 3.

    Raises:
        ValueError: fewer rows or columns, or a score is missing.
    """
    blocks, learners = scores.shape
    if blocks < FEWEST_BLOCKS or learners < 3 or scores.isna().any(axis=None):
        raise ValueError(
            f"a ranking needs three learners on {FEWEST_BLOCKS} or more datasets, all of them on each; found "
            f"{learners} on {blocks}"
        )
    from scikit_posthocs import posthoc_nemenyi_friedman  # seconds to import, and only rankings need them
    from statsmodels.stats.multitest import multipletests

    statistic, p_value = stats.friedmanchisquare(*(scores[name] for name in scores))
    names = list(scores)
    pairs = list(combinations(names, 2))
    chances = [signed_rank((scores[one] - scores[two]).to_numpy()) for one, two in pairs]
    corrected = pd.DataFrame(1.0, index=names, columns=names)
    for (one, two), chance in zip(pairs, multipletests(chances, method="holm")[1], strict=True):
        corrected.loc[one, two] = corrected.loc[two, one] = chance
    return Ranking(
        average_ranks(scores),
        float(statistic),
        float(p_value),
        critical_difference(learners, blocks),
        posthoc_nemenyi_friedman(scores),
        corrected,
        blocks,
    )


def average_ranks(scores: pd.DataFrame) -> pd.Series[float]:
    """Of each learner over the blocks, the lowest and so best first; equals share the mean of their places.

    Args:
        scores: one row per block, one column per learner, more is better.
    """
    return scores.rank(axis=1, ascending=False).mean().sort_values(kind="stable")


def critical_difference(learners: int, blocks: int) -> float:
    """Nemenyi's at 0.05, of average ranks of so many learners over so many blocks (Demšar 2006, section 3.2.2)."""
    quantile = stats.studentized_range.ppf(1 - LEVEL, learners, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(learners * (learners + 1) / (6 * blocks)))


def win_tie_loss(tables: Iterable[NDArray[np.int64]], names: Sequence[str]) -> pd.DataFrame:
    """How often each learner (row) was better than, not distinguishable from and worse than each other: `3/1/0`.

    Args:
        tables: `outcomes` of the same learners, one for each dataset and task.
        names: of the learners.
    """
    stacked = np.stack(list(tables))
    counts = [(stacked == sign).sum(0) for sign in (1, 0, -1)]
    text = [
        ["" if row == column else "/".join(str(count[row, column]) for count in counts) for column in range(len(names))]
        for row in range(len(names))
    ]
    return pd.DataFrame(text, index=list(names), columns=list(names))


def signed_rank(differences: NDArray[np.float64]) -> float:
    """The p-value of Wilcoxon's signed-rank test, two-sided; 1 where no difference is left."""
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def _paired(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Of each two rows on the tasks that both have: the mean difference, its variance, and its freedom, `[n, n]`.

    Differences that are all alike have no variance; where they are fewer than `FEWEST_ALIKE`, which chance makes alike
    often enough, or fewer than two, their mean counts as 0. It is computed from sums over tasks, for all pairs at once,
    as products of matrices, and pair by pair where these cancel.
    """
    has = np.isfinite(table)
    known = np.where(has, table, 0.0)
    # One row for all where all are alike.
    present = np.ones((1, table.shape[1])) if has.all() else has.astype(np.float64)
    count = present @ present.T
    totals, squares = known @ present.T, np.square(known) @ present.T
    mean = (totals - totals.T) / np.maximum(count, 1)
    size = squares + squares.T
    spread = size - 2 * (known @ known.T) - count * np.square(mean)
    one, two = np.nonzero(np.triu((spread < 1e-6 * size) & (count > 0), 1))
    for first in range(0, len(one), 1000):
        pair = one[first : first + 1000], two[first : first + 1000]
        differences = table[pair[0]] - table[pair[1]]
        mean[pair] = np.nanmean(differences, axis=1)
        deviations = differences - mean[pair][:, None]
        alike = ~(np.abs(deviations) >= 1e-9).any(1)
        spread[pair] = np.where(alike, 0, np.nansum(np.square(deviations), axis=1))
        few = np.isfinite(differences).sum(1) < FEWEST_ALIKE
        mean[pair] = np.where(alike & (few | (np.abs(mean[pair]) < 1e-9)), 0, mean[pair])
    mean, spread = (np.triu(np.where(count > 1, part, 0), 1) for part in (mean, spread))
    variance = spread / np.maximum(count * (count - 1), 1)
    return mean - mean.T, np.maximum(variance + variance.T, 0), np.maximum(count - 1, 1).astype(np.int64)
