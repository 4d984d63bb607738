"""Comparison: two learners on the same tasks, in values and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metabench.stats.intervals import SEEDS, Estimate, crossed, mean_interval, seed_p_value, seed_reach

DIFFERENCES = "the draw of test tasks, the same for both; not the choice of test classes and images, nor training"

LEVEL, SMALLEST_P = 0.05, 0.0001


@dataclass(frozen=True)
class Comparison:
    """How the scores of one learner differ from those of another: the first's less the second's.

    Attributes:
        networks: task by task, seeds averaged: of these trained networks, with Student's t over tasks.
        networks_p: the p-value of the paired t test, two-sided.
        learners: the same difference with an interval over training seeds and tasks; None with one seed of either.
        learners_p: the p-value of that test (`metabench.stats.intervals.seed_p_value`).
        deviation: standard deviation of the differences between tasks.
    """

    networks: Estimate
    networks_p: float
    learners: Estimate | None
    learners_p: float | None
    deviation: float

    @property
    def difference(self) -> Estimate:
        """Of the learners, if that is known, else of these networks."""
        return self.learners or self.networks

    @property
    def p_value(self) -> float:
        """Of that difference."""
        return self.networks_p if self.learners_p is None else self.learners_p

    @property
    def effect(self) -> float | None:
        """The mean difference over its standard deviation (Cohen's d_z; Lakens 2013, Frontiers in Psychology 4).

        0.2 is small, 0.8 large; None where all differences are equal.
        """
        return self.networks.mean / self.deviation if self.deviation > 1e-9 else None


def compare(
    first: ArrayLike, second: ArrayLike, confidence: float = 0.95, *, seeded: tuple[bool, bool] = (True, True)
) -> Comparison:
    """Compare two learners that were scored on the same tasks.

    Args:
        first, second: `[seeds, tasks]`, or `[tasks]` for one seed; as many tasks in both, at least two.
        confidence: nominal coverage of the intervals, between 0 and 1.
        seeded: of each, whether its scores depend on the training seed; not those of a learner without training.

    Raises:
        ValueError: the numbers of tasks differ, or there is only one.
    """
    both = [np.atleast_2d(np.asarray(scores, dtype=np.float64)) for scores in (first, second)]
    tasks = both[0].shape[1]
    if both[1].shape[1] != tasks or tasks < 2:
        raise ValueError(f"a comparison needs the same tasks, two or more; found {tasks} and {both[1].shape[1]}")
    differences = both[0].mean(0) - both[1].mean(0)
    deviation, mean = float(differences.std(ddof=1)), float(differences.mean())
    of_tasks = deviation**2 / tasks
    learners = learners_p = None
    if all(len(scores) > 1 or not has for scores, has in zip(both, seeded, strict=True)):
        tables = [crossed(scores) for scores, has in zip(both, seeded, strict=True) if has]
        reach = seed_reach(tables, of_tasks, tasks, confidence)
        learners = Estimate(mean, mean - reach, mean + reach, sum(map(len, both)), SEEDS)
        learners_p = seed_p_value(mean, tables, of_tasks, tasks)
    return Comparison(
        mean_interval(differences, confidence, covers=DIFFERENCES),
        seed_p_value(mean, [], of_tasks, tasks),
        learners,
        learners_p,
        deviation,
    )


def tasks_to_tell(deviation: float, margin: float, power: float = 0.8) -> int:
    """How many test tasks it takes for two networks whose means differ by the margin to differ significantly.

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
