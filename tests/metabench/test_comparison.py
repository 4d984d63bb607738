"""Two learners: figures that R gives, words for each case, and coverage with a known truth."""

from itertools import product

import numpy as np
import pytest

from metabench.comparison import DIFFERENCES, compare, signed_rank, tasks_to_tell, verdict
from metabench.measure import ACCURACY, SQUARED_ERROR

# Student's sleep data (1908), as R has them: hours of sleep gained by ten patients with two drugs.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_agrees_with_r_on_students_sleep_data() -> None:
    """R's t.test(paired = TRUE): mean -1.58, interval -2.4598858 to -0.7001142, t = -4.0621 with 9 degrees.

    d_z is t / sqrt(10).
    """
    found = compare(FIRST, SECOND)
    assert found.difference.mean == pytest.approx(-1.58)
    assert (found.difference.low, found.difference.high) == pytest.approx((-2.4598858, -0.7001142))
    assert found.effect == pytest.approx(-4.0621 / 10**0.5, abs=1e-5)
    assert found.deviation == pytest.approx(1.58 * 10**0.5 / 4.0621, abs=1e-4)
    assert found.difference.covers == DIFFERENCES
    assert found.over_seeds is None


def test_the_signed_rank_test_by_counting() -> None:
    """Of the 2^6 signs of six differences, two are as far apart as all of one sign; for +1 +2 +3 +4 +5 -6 we count."""
    assert signed_rank(np.array([1.0, 2, 3, 4, 5, 6])) == pytest.approx(2 / 64)
    sums = [
        sum(rank for rank, sign in zip(range(1, 7), signs, strict=True) if sign) for signs in product((0, 1), repeat=6)
    ]
    as_far = sum(min(value, 21 - value) <= 6 for value in sums)
    assert signed_rank(np.array([1.0, 2, 3, 4, 5, -6])) == pytest.approx(as_far / 64)
    assert signed_rank(np.zeros(5)) == 1


def test_what_differs_in_the_seventh_digit_has_the_same_rank() -> None:
    exact = np.array([1, 1, 1, -1, 2, 3, -2, 1, 1]) / 75
    first = np.array([30, 35, 40, 45, 50, 55, 60, 65, 70]) / 75
    written = [[float(f"{value:.6g}") for value in scores] for scores in (first + exact, first)]
    assert compare(*written).p_value == signed_rank(75 * exact.round(3))
    assert signed_rank(np.subtract(*written)) != signed_rank(75 * exact.round(3))


def test_the_first_words_of_a_verdict() -> None:
    better = np.linspace(0.8, 0.9, 50)
    worse = better - 0.02 + 0.01 * np.tile([-1, 1], 25)
    good = verdict(compare(better, worse), "maml", "protonet", ACCURACY)
    assert good.startswith("maml is better than protonet by 2.00 points, 95% interval 1.71 to 2.29, p < 0.0001; over")
    assert good.endswith("over training seeds nothing is known: it takes two or more of each")
    assert verdict(compare(worse, better), "protonet", "maml", ACCURACY) == good


def test_less_error_is_better() -> None:
    less = np.linspace(0.1, 0.3, 50)
    more = less + 0.02 + 0.01 * np.tile([-1, 1], 25)
    words = verdict(compare(less, more), "maml", "other", SQUARED_ERROR)
    assert words.startswith(
        "maml is better than other, its mean squared error lower by 0.0200, 95% interval 0.0171 to 0.0229, p < 0.0001;"
    )
    assert verdict(compare(more, less), "other", "maml", SQUARED_ERROR) == words
    words = verdict(compare(less, less - 0.001 + np.tile([-0.1, 0.1], 25)), "maml", "other", SQUARED_ERROR)
    assert words.startswith(
        "maml and other are not distinguishable: other's mean squared error is lower by 0.0010, 95% "
    )


def test_what_is_not_distinguishable_is_not_called_better() -> None:
    random = np.random.default_rng(0)
    one = random.random(100)
    two = one + 0.001 + random.normal(0, 0.1, 100)
    words = verdict(compare(one, two), "maml", "protonet", ACCURACY)
    assert words.startswith("maml and protonet are not distinguishable: ")
    assert " accuracy is higher by " in words
    same = verdict(compare(one, one), "maml", "protonet", ACCURACY)
    assert "by 0.00 points, 95% interval 0.00 to 0.00, p = 1.0000" in same


def test_a_mean_and_ranks_that_disagree_are_both_told() -> None:
    """Slightly worse on most tasks, much better on a few: ranks tell them apart, the mean does not."""
    differences = np.array([-0.01] * 60 + [0.2] * 4)
    words = verdict(compare(differences, np.zeros(64)), "maml", "protonet", ACCURACY)
    assert "not distinguishable" in words
    assert "looks at ranks and not at the mean, tells them apart" in words


def test_seeds_that_differ_more_than_the_learners() -> None:
    tasks = np.linspace(0, 0.1, 50)
    one = np.stack([0.8 + tasks, 0.86 + tasks, 0.83 + tasks])
    two = one - 0.01 + 0.002 * np.tile([-1, 1], 25)
    found = compare(one, two)
    assert "; over training seeds not distinguishable, 95% interval -" in verdict(found, "maml", "other", ACCURACY)
    far = verdict(compare(one, two - 0.5), "maml", "other", ACCURACY)
    assert "maml is better than other by 51.00 points" in far
    assert "; over training seeds too, 95% interval 4" in far
    assert compare(one, two[:1]).over_seeds is None


def test_over_seeds_by_hand() -> None:
    """Seeds 0.80, 0.86, 0.83 on every task, and the same less 0.01: each variance of the mean is 0.0009 / 3 = 0.0003.

    Welch's degrees of freedom for two alike are 4: t(0.975, 4) = 2.776445 times sqrt(0.0006) = 0.068009.
    """
    one = np.array([0.8, 0.86, 0.83])[:, None] + np.linspace(0, 0.1, 50)
    found = compare(one, one - 0.01).over_seeds
    assert found is not None
    assert found.half_width == pytest.approx(0.068009, abs=1e-5)
    assert found.mean == pytest.approx(0.01)
    assert found.count == 6


@pytest.mark.parametrize("of_seeds", [(0.0, 0.0), (0.02, 0.02), (0.005, 0.02)])
def test_over_seeds_it_covers_other_seeds_and_over_tasks_it_does_not(of_seeds: tuple[float, float]) -> None:
    random = np.random.default_rng(0)
    over_seeds, over_tasks = [], []
    for _ in range(500):
        shared = 0.8 + random.normal(0, 0.06, 600)
        one, two = (
            shared + random.normal(0, spread, (3, 1)) + random.normal(0, 0.04, 600) + random.normal(0, 0.06, (3, 600))
            for spread in of_seeds
        )
        found = compare(one, two)
        assert found.over_seeds is not None
        over_seeds.append(found.over_seeds.low <= 0 <= found.over_seeds.high)
        over_tasks.append(found.difference.low <= 0 <= found.difference.high)
    assert 0.93 < np.mean(over_seeds) < 0.98
    assert np.mean(over_tasks) < (0.5 if of_seeds[1] else 0.97)


def test_other_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="needs the same tasks, two or more; found 3 and 2"):
        compare([0.1, 0.2, 0.3], [0.1, 0.2])


@pytest.mark.parametrize(("margin", "needed"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_number_of_tasks_is_that_of_textbooks(margin: float, needed: int) -> None:
    """Paired t test, two-sided at 0.05, power 0.8: 199, 34 and 15 pairs for Cohen's small, medium and large effect."""
    assert tasks_to_tell(1.0, margin) == needed


def test_the_number_of_tasks_at_its_ends() -> None:
    assert tasks_to_tell(0.0, 0.01) == tasks_to_tell(1e-9, 0.01) <= 3
    assert tasks_to_tell(0.15, 1e-5) == pytest.approx((2.8016 * 0.15 / 1e-5) ** 2, rel=1e-3)
