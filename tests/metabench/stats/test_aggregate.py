"""Aggregates over boards, by hand and by simulation."""

import numpy as np
import pytest
from scipy import stats

from metabench.stats.aggregate import improvement, interquartile_mean, interval

ONE = [np.array([0.1, 0.2, 0.9]), np.array([0.5, 0.6, 0.7])]


def test_the_interquartile_mean_by_hand() -> None:
    """Of 0.1 0.2 0.5 0.6 0.7 0.9 the lowest and the highest are left out (a quarter of six is one whole score)."""
    assert interquartile_mean(ONE) == pytest.approx((0.2 + 0.5 + 0.6 + 0.7) / 4)


def test_the_probability_of_improvement_is_mann_whitneys() -> None:
    """U over the number of pairs, its mean over boards; a tie counts half."""
    two = [np.array([0.15, 0.2]), np.array([0.65, 0.8])]
    expected = [
        stats.mannwhitneyu(one, other).statistic / (len(one) * len(other)) for one, other in zip(ONE, two, strict=True)
    ]
    assert improvement(ONE, two) == pytest.approx(np.mean(expected))
    assert improvement(ONE, two) + improvement(two, ONE) == pytest.approx(1)


@pytest.mark.parametrize("confidence", [0.4, 0.9])
def test_the_interval_is_scipys_percentile_bootstrap_of_one_seed_fewer(confidence: float) -> None:
    """Forty seeds on each of four boards, so that one fewer is no matter; 2,000 resamples tell an end to about 1/20."""
    random = np.random.default_rng(0)
    boards = [random.normal(mean, 0.02, 40) for mean in (0.5, 0.6, 0.7, 0.8)]
    expected = stats.bootstrap(
        boards,
        lambda *drawn, axis: stats.trim_mean(np.concatenate(drawn, axis), 0.25, axis),
        method="percentile",
        n_resamples=2000,
        confidence_level=confidence,
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = interval(interquartile_mean, boards, confidence=confidence)
    width = expected.high - expected.low
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=width / 8)
    assert found.count == 4


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.84), (10, 0.92)])
def test_the_interval_covers_other_seeds(seeds: int, least: float) -> None:
    """On four boards; the truth is the value of very many seeds. The bootstrap of few is a little narrow."""
    random = np.random.default_rng(0)
    means = np.array([0.5, 0.6, 0.7, 0.8])

    def draw(count: int, lead: float = 0.0) -> list[np.ndarray]:
        return [random.normal(mean + lead, 0.02, count) for mean in means]

    truth = interquartile_mean(draw(100_000))
    better = improvement(draw(2000, 0.01), draw(2000))
    hits = []
    for _ in range(400):
        one, two = draw(seeds, 0.01), draw(seeds)
        found, ahead = interval(interquartile_mean, two), interval(improvement, one, two)
        hits.append((found.low <= truth <= found.high, ahead.low <= better <= ahead.high))
    assert (np.mean(hits, axis=0) >= least).all()
    assert (np.mean(hits, axis=0) <= 0.985).all()
