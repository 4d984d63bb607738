"""Ranking: many learners on the same tasks, and over many datasets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from metabench.comparison import signed_rank

LEVEL = 0.05
RESAMPLES = 2000
FEWEST_ALIKE = 10


def outcomes(scores: ArrayLike, more_is_better: bool = True, level: float = LEVEL) -> NDArray[np.int64]:
    """Who is better than whom on the same tasks, `[learners, learners]`: 1 better, -1 worse, 0 not distinguishable.

    By the paired t test of each pair's means over the tasks that both have, all pairs corrected together by Holm
    (1979): the chance of one or more wrong statements in the whole table is at most `level`.

    Args:
        scores: `[learners, tasks]`; nan where a learner was not scored on a task. Two that share fewer than two tasks
            are not distinguishable.
        more_is_better: which way is up.
        level: between 0 and 1.
    """
    t, freedom = _paired_t(np.asarray(scores, dtype=np.float64))
    kinds, places = np.unique(freedom, return_inverse=True) if np.ptp(freedom) else (freedom[:1, 0], 0)
    sizes, pairs, rejected = np.abs(t), len(t) * (len(t) - 1) // 2, 0
    # Holm's steps, many at a time: with so many rejected, the others are compared at the level divided by their number.
    # By t, since the p-values of a leaderboard's millions of pairs would take most of the time.
    while rejected < pairs:
        apart = sizes > -special.stdtrit(kinds, level / 2 / (pairs - rejected))[places]
        if int(np.count_nonzero(apart)) // 2 == rejected:
            break
        rejected = int(np.count_nonzero(apart)) // 2
    found = np.where(apart, np.sign(t), 0).astype(np.int64) if pairs else np.zeros_like(t, dtype=np.int64)
    return found if more_is_better else -found


def tied_ranks(scores: ArrayLike, more_is_better: bool = True, level: float = LEVEL) -> list[int]:
    """Rank numbers, 1 the best, that tie learners which cannot be told apart.

    A learner's rank is 1 + the number of learners that are significantly better than it (see `outcomes`). It is the
    best rank that the learner can still have, the near end of its confidence set (Mogstad, Romano, Shaikh and Wilhelm
    2024, Review of Economic Studies 91). It needs no groups, which would not be well defined: "cannot be told apart" is
    not transitive. For the same reason ranks need not rise with the means where pairs differ in how sure they are.

    Args:
        scores: `[learners, tasks]`, nan where a learner was not scored on a task.
        more_is_better: which way is up.
        level: chance of one or more wrong statements about pairs, between 0 and 1.
    """
    return [1 + int(count) for count in (outcomes(scores, more_is_better, level) < 0).sum(1)]


def rank_intervals(scores: ArrayLike, more_is_better: bool = True, confidence: float = 0.95) -> list[tuple[int, int]]:
    """For each learner the interval of its rank by mean, when tasks are drawn again.

    The percentile bootstrap over tasks, which all learners share (Goldstein and Spiegelhalter 1996, Journal of the
    Royal Statistical Society A 159). It is too narrow for learners whose true means are equal (Hall and Miller 2009,
    Annals of Statistics 37); `tied_ranks` is not.

    Args:
        scores: `[learners, tasks]`, at least two tasks.
        more_is_better: which way is up.
        confidence: nominal coverage, between 0 and 1.
    """
    table = np.asarray(scores, dtype=np.float64)
    toward_first = -table if more_is_better else table

    def ranks(tasks: NDArray[np.int64], axis: int = -1) -> NDArray[np.float64]:
        # Rounded, so that learners of the same answers tie in every resample.
        means = np.stack([row[tasks].mean(axis) for row in toward_first]).round(12)
        return np.asarray(stats.rankdata(means, method="min", axis=0), dtype=np.float64)

    interval = stats.bootstrap(
        (np.arange(table.shape[1]),),
        ranks,
        confidence_level=confidence,
        n_resamples=RESAMPLES,
        batch=100,
        method="percentile",
        rng=0,
    ).confidence_interval
    return [(int(np.floor(low)), int(np.ceil(high))) for low, high in np.transpose(interval)]


@dataclass(frozen=True)
class Ranking:
    """Learners over several datasets or tasks, which are the blocks (Demšar 2006, JMLR 7).

    Attributes:
        average_ranks: by learner, the lowest first; 1 is the best.
        statistic, p_value: Friedman's test that all learners are equal.
        critical_difference: Nemenyi's at 0.05: average ranks that differ by more are told apart.
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
    """Rank learners over datasets or tasks.

    Args:
        scores: one row a block, one column a learner, more is better (turn errors around); at least 2 x 3.

    Raises:
        ValueError: fewer rows or columns, or a score is missing.
    """
    blocks, learners = scores.shape
    if blocks < 2 or learners < 3 or scores.isna().any(axis=None):
        raise ValueError(
            f"a ranking needs three learners on two or more datasets, all of them on each; found {learners} on {blocks}"
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
        scores: one row a block, one column a learner, more is better.
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


def _paired_t(table: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The paired t statistic of each two rows on the tasks that both have, `[learners, learners]`, and its freedom.

    Of differences that are all alike, by which the test cannot divide, it is infinite, or 0 if they are 0 or fewer than
    `FEWEST_ALIKE`, which chance makes alike often enough; so it is of fewer than two tasks. It is computed from sums
    over tasks, for all pairs at once, as products of matrices, and pair by pair where these cancel.
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
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.triu(np.where((count > 1) & (mean != 0), mean / np.sqrt(spread / (count * (count - 1))), 0), 1)
    return t - t.T, np.maximum(count - 1, 1).astype(np.int64)
