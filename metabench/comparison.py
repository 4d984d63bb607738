"""Comparison: two learners on the same tasks, in figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from metabench.measure import Measure
from metabench.stats import SEEDS, Estimate, crossed, mean_interval, seed_reach

DIFFERENCES = "the draw of test tasks, the same for both; not the choice of test classes and images, nor training"


@dataclass(frozen=True)
class Comparison:
    """How the scores of one learner differ from those of another.

    Attributes:
        difference: of the first's less the second's, task by task, seeds averaged; Student's t over tasks.
        p_value: of Wilcoxon's signed-rank test of these differences, two-sided; 1 where all are 0.
        effect: their mean over their standard deviation (Cohen's d_z; Lakens 2013, Frontiers in Psychology 4): 0.2 is
            small, 0.8 large; nan where all differences are equal.
        deviation: that standard deviation.
        over_seeds: the same difference with an interval over training seeds and tasks; None with one seed of either.
    """

    difference: Estimate
    p_value: float
    effect: float
    deviation: float
    over_seeds: Estimate | None


def compare(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Comparison:
    """Compare two learners that were scored on the same tasks.

    Args:
        first, second: `[seeds, tasks]`, or `[tasks]` for one seed; as many tasks in both, at least two.
        confidence: nominal coverage of the intervals, between 0 and 1.

    Raises:
        ValueError: the numbers of tasks differ, or there is only one.
    """
    one, two = (np.atleast_2d(np.asarray(scores, dtype=np.float64)) for scores in (first, second))
    if one.shape[1] != two.shape[1] or one.shape[1] < 2:
        raise ValueError(f"a comparison needs the same tasks, two or more; found {one.shape[1]} and {two.shape[1]}")
    differences = one.mean(0) - two.mean(0)
    deviation = float(differences.std(ddof=1))
    mean = float(differences.mean())
    over_seeds = None
    if min(len(one), len(two)) > 1:
        reach = seed_reach([crossed(one), crossed(two)], deviation**2 / len(differences), confidence)
        over_seeds = Estimate(mean, mean - reach, mean + reach, len(one) + len(two), SEEDS)
    return Comparison(
        mean_interval(differences, confidence, covers=DIFFERENCES),
        signed_rank(_without_last_digit(differences, max(np.abs(one).max(), np.abs(two).max()))),
        mean / deviation if np.ptp(differences) > 1e-9 else float("nan"),
        deviation,
        over_seeds,
    )


def signed_rank(differences: NDArray[np.float64]) -> float:
    """The p-value of Wilcoxon's signed-rank test, two-sided; 1 where no difference is left."""
    return float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0


def _without_last_digit(differences: NDArray[np.float64], largest: float) -> NDArray[np.float64]:
    """Files hold six digits of a score: differences that are the same but for those are to have the same rank."""
    return np.round(differences, 5 - int(np.ceil(np.log10(largest)))) if largest > 0 else differences


def apart(difference: Estimate) -> bool:
    """Whether the interval tells the two apart: 0 is not in it."""
    return difference.low > 0 or difference.high < 0


def verdict(comparison: Comparison, first: str, second: str, measure: Measure) -> str:
    """Which of the two is better, by how much and how surely, in a sentence.

    One is better where the interval of the mean difference leaves 0 out; where the signed-rank test says otherwise,
    the sentence says so. All figures are by how far the one with the better mean is ahead.
    """
    ahead = 1 if (comparison.difference.mean >= 0) == measure.more_is_better else -1
    better, worse = (first, second) if ahead > 0 else (second, first)
    sign = ahead if measure.more_is_better else -ahead
    by = f"by {_figure(sign * comparison.difference.mean, measure)}" + (" points" if measure.percent else "")
    by += f", 95% interval {_interval(comparison.difference, sign, measure)}"
    by += ", p < 0.0001" if comparison.p_value < 0.0001 else f", p = {comparison.p_value:.4f}"
    if told_apart := apart(comparison.difference):
        text = f"{better} is better than {worse}" + ("" if measure.percent else f", its {measure.name} lower")
    else:
        direction = "higher" if measure.more_is_better else "lower"
        text = f"{first} and {second} are not distinguishable: {better}'s {measure.name} is {direction}"
    text = f"{text} {by}"
    if told_apart != (comparison.p_value < 0.05):
        telling = "does not tell" if told_apart else "tells"
        text += f" (the signed-rank test, which looks at ranks and not at the mean, {telling} them apart)"
    if comparison.over_seeds is None:
        return f"{text}; over training seeds nothing is known: it takes two or more of each"
    too = "too" if apart(comparison.over_seeds) else "not distinguishable"
    return f"{text}; over training seeds {too}, 95% interval {_interval(comparison.over_seeds, sign, measure)}"


def _interval(difference: Estimate, sign: int, measure: Measure) -> str:
    low, high = sorted((sign * difference.low, sign * difference.high))
    return f"{_figure(low, measure)} to {_figure(high, measure)}"


def _figure(value: float, measure: Measure) -> str:
    return f"{measure.scale * value:.{measure.digits}f}"


def tasks_to_tell(deviation: float, margin: float, power: float = 0.8) -> int:
    """How many test tasks it takes to tell two learners apart whose means differ by the margin.

    By the power of the paired t test at the level 0.05, two-sided (statsmodels' TTestPower).

    Args:
        deviation: standard deviation of the paired differences, as in a `Comparison`.
        margin: more than 0, in the same unit.
        power: chance to see it, between 0.05 and 1.
    """
    from statsmodels.stats.power import TTestPower  # a second to import, and only `compare` needs it

    # At five deviations apart two or three tasks do, and the equation has no root left.
    effect = min(margin / deviation, 5.0) if deviation > 0 else 5.0
    needed = TTestPower().solve_power(effect_size=effect, alpha=0.05, power=power, alternative="two-sided")
    return max(2, int(np.ceil(np.max(needed))))
