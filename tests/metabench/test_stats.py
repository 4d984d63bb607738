import numpy as np
import pytest
from scipy import stats

from metabench.stats import mean_interval


def test_a_small_sample_by_hand() -> None:
    """Mean 0.6, deviation 0.2, three values: half-width t(0.975, 2) * 0.2 / sqrt(3) = 4.302653 * 0.1154701."""
    estimate = mean_interval([0.4, 0.6, 0.8])
    assert estimate.mean == pytest.approx(0.6)
    assert estimate.half_width == pytest.approx(4.302653 * 0.1154701, rel=1e-6)
    assert estimate.count == 3


def test_agrees_with_scipys_interval() -> None:
    values = np.random.default_rng(0).random(600)
    low, high = stats.t.interval(0.9, 599, loc=values.mean(), scale=stats.sem(values))
    estimate = mean_interval(values, confidence=0.9)
    assert (estimate.mean - estimate.half_width, estimate.mean + estimate.half_width) == pytest.approx((low, high))


def test_covers_the_true_mean_as_often_as_it_says() -> None:
    """2,000 samples of 20 from a known law: the 95% interval misses 5% of the time, give or take 1.5."""
    samples = np.random.default_rng(0).binomial(75, 0.9, size=(2000, 20)) / 75
    estimates = [mean_interval(sample) for sample in samples]
    covered = np.mean([abs(estimate.mean - 0.9) <= estimate.half_width for estimate in estimates])
    assert 0.935 < covered < 0.965


def test_one_value_has_no_interval_and_none_is_an_error() -> None:
    assert np.isnan(mean_interval([0.5]).half_width)
    with pytest.raises(ValueError, match="at least one value"):
        mean_interval([])
