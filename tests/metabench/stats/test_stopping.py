"""The stopping rule, by hand and by simulation with a known truth."""

import numpy as np
import pytest
from scipy import stats

from metabench.stats.intervals import mean_interval
from metabench.stats.stopping import FixedWidth


def accuracies(random: np.random.Generator, count: int, mean: float, concentration: float = 20) -> np.ndarray:
    return random.binomial(75, random.beta(mean * concentration, (1 - mean) * concentration, count)) / 75


def test_the_number_by_hand() -> None:
    """200 scores of deviation 0.1, t(0.975, 199) = 1.971957, half-width 0.005: (1.971957 * 0.1 / 0.005)^2 = 1555.4."""
    scores = np.tile([0.0, 2.0], 100)
    scores = 0.5 + 0.1 * (scores - 1) / scores.std(ddof=1)
    rule = FixedWidth(0.005)
    assert rule.needed(np.zeros(0)) == 200
    assert rule.needed(scores) == 1556
    assert FixedWidth(0.1).needed(scores) == 200
    assert FixedWidth(0.005, most=900).needed(scores) == 900
    assert FixedWidth(0.005, most=150).needed(np.zeros(0)) == 150


def test_what_is_not_reached_is_said() -> None:
    scores = accuracies(np.random.default_rng(0), 300, 0.8)
    short = FixedWidth(0.001, bounded=True, most=300)
    assert short.needed(scores) == 300
    assert short.estimate(scores) == mean_interval(scores, bounded=True)
    reached = FixedWidth(0.05, bounded=True).estimate(scores)
    assert (reached.low, reached.high) == pytest.approx((scores.mean() - 0.05, scores.mean() + 0.05))


def test_perfect_tasks_go_on_until_so_many_mean_something() -> None:
    """All of n right: the exact interval's lower end is 0.025^(1/n), above 0.995 from n = 736 on."""
    rule = FixedWidth(0.005, bounded=True)
    assert rule.needed(np.ones(200)) == 736
    estimate = rule.estimate(np.ones(736))
    assert (estimate.low, estimate.high) == (0.995, 1)
    assert FixedWidth(0.005).needed(np.ones(200)) == 200


def stopped(random: np.random.Generator, rule: FixedWidth, mean: float) -> tuple[bool, int]:
    scores = np.zeros(0)
    while (needed := rule.needed(scores)) > len(scores):
        scores = np.append(scores, accuracies(random, needed - len(scores), mean))
    estimate = rule.estimate(scores)
    assert estimate.half_width <= rule.half_width * 1.000001
    assert mean_interval(scores, bounded=True).half_width <= rule.half_width * 1.000001
    return estimate.low <= mean <= estimate.high, len(scores)


def peeked(random: np.random.Generator, half_width: float, mean: float) -> bool:
    """The interval of all so far after every ten tasks, until it is narrow enough."""
    scores = accuracies(random, 4000, mean)
    counts = np.arange(10, 4001, 10)
    means = scores.cumsum()[counts - 1] / counts
    variances = (np.square(scores).cumsum()[counts - 1] - counts * means**2) / (counts - 1)
    reach = stats.t.ppf(0.975, counts - 1) * np.sqrt(np.maximum(variances, 0) / counts)
    assert reach[-1] <= half_width
    stop = np.argmax(reach <= half_width)
    return bool(abs(means[stop] - mean) <= reach[stop] + 1e-12)


@pytest.mark.parametrize(("mean", "half_width"), [(0.8, 0.01), (0.95, 0.005), (0.97, 0.004), (0.99, 0.0025)])
def test_it_covers_the_truth_although_it_stops_by_what_it_saw(mean: float, half_width: float) -> None:
    random = np.random.default_rng(0)
    runs = [stopped(random, FixedWidth(half_width, bounded=True), mean) for _ in range(800)]
    assert 0.93 < np.mean([covered for covered, _ in runs]) < 0.985
    end = mean - half_width  # of Wilson's interval, on the side of its longer arm
    enough = (1.96 * accuracies(random, 10**5, mean).std() / half_width) ** 2 * end * (1 - end) / (mean * (1 - mean))
    assert np.mean([count for _, count in runs]) < 1.1 * enough


def test_where_the_pilot_is_enough_it_covers_at_least_as_often_and_peeking_does_not() -> None:
    random = np.random.default_rng(0)
    assert np.mean([stopped(random, FixedWidth(0.005, bounded=True), 0.99)[0] for _ in range(500)]) > 0.95
    assert np.mean([peeked(random, 0.005, 0.99) for _ in range(500)]) < 0.8
    assert np.mean([peeked(random, 0.0025, 0.99) for _ in range(500)]) < 0.9


@pytest.mark.parametrize("mean", [0.2, 0.5, 0.9])
def test_the_number_is_the_one_at_which_wilsons_longer_arm_is_as_asked(mean: float) -> None:
    """By (m - p)^2 = (t s)^2 / n * p (1 - p) / (m (1 - m)), solved for n at p, the end towards 1/2, and by trying."""
    rule = FixedWidth(0.02, bounded=True, pilot=100)
    scores = mean + 0.1 * np.tile([-1.0, 1.0], 50)
    needed = rule.needed(scores)
    t_s = scores.std(ddof=1) * stats.t.ppf(0.975, 99)
    end = mean - 0.02 if mean > 0.5 else mean + 0.02
    assert needed == int(np.ceil(t_s**2 / 0.02**2 * end * (1 - end) / (mean * (1 - mean))))
    wanted = np.sqrt(t_s**2 / needed * end * (1 - end) / (mean * (1 - mean)))
    assert wanted <= 0.02 < np.sqrt(needed / (needed - 1)) * wanted


def test_without_bounds_it_is_steins_number() -> None:
    scores = np.random.default_rng(0).normal(3, 1, 100)
    expected = (scores.std(ddof=1) * stats.t.ppf(0.975, 99) / 0.05) ** 2
    assert FixedWidth(0.05, pilot=100).needed(scores) == int(np.ceil(expected))


def test_where_all_are_right_it_is_the_exact_binomial_number() -> None:
    rule = FixedWidth(0.01, bounded=True, pilot=10)
    assert rule.needed(np.ones(10)) == int(np.ceil(np.log(0.025) / np.log(0.99)))
    assert rule.needed(np.array([1.0, 0.5] + [1.0] * 8)) != rule.needed(np.ones(10))
