"""The random numbers of episodes: each episode's own, and what is drawn from them."""

import numpy as np
import pytest
from scipy import stats

from episodes.errors import DataError
from episodes.uniforms import (
    Uniforms,
    below,
    by_weight,
    derived_seed,
    distinct,
    generator_key,
    random_orders,
    uniform_numbers,
)

EXACT_P = 1e-4  # of a chi-squared test on fixed numbers, which either passes always or never


def test_an_episodes_numbers_are_its_own_whatever_is_drawn_with_it() -> None:
    together = uniform_numbers(1, range(100), 7)
    assert together.shape == (100, 7)
    assert np.array_equal(uniform_numbers(1, [41], 7)[0], together[41])
    assert np.array_equal(uniform_numbers(1, [9, 3, 4, 80], 7), together[[9, 3, 4, 80]])
    assert len(np.unique(together)) == together.size
    assert not np.array_equal(uniform_numbers(2, range(100), 7), together)


@pytest.mark.parametrize("numbers", [[], [3, -1], [1.5], ["a"], [2**63], [[0, 1]] * 2])
def test_what_is_the_number_of_no_episode_is_refused(numbers: list[int]) -> None:
    with pytest.raises(DataError, match="give numbers of episodes, whole and from 0 to"):
        uniform_numbers(1, numbers, 7)


def test_they_are_uniform() -> None:
    assert stats.kstest(uniform_numbers(5, range(2000), 5).ravel(), "uniform").pvalue > EXACT_P


def test_numbers_are_handed_out_once() -> None:
    uniforms = Uniforms(np.arange(12.0).reshape(2, 6))
    assert len(uniforms) == 2
    assert uniforms.take(2).tolist() == [[0, 1], [6, 7]]
    assert uniforms.take(3).tolist() == [[2, 3, 4], [8, 9, 10]]
    assert uniforms.take(1).tolist() == [[5], [11]]


def test_distinct_items_are_every_ordered_choice_alike() -> None:
    """Of 4 items 2 in order: 12 outcomes, by the first steps of a Fisher-Yates shuffle."""
    rows = 12_000
    drawn = distinct(uniform_numbers(3, range(rows), 2), np.full(rows, 4))
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert drawn.min() == 0
    assert drawn.max() == 3
    counts = np.bincount(4 * drawn[:, 0] + drawn[:, 1], minlength=16)
    assert (counts == 0).sum() == 4  # twice the same item
    assert stats.chisquare(counts[counts > 0]).pvalue > EXACT_P


def test_rows_of_differing_sizes_have_their_own_items_first() -> None:
    sizes = np.array([5, 3, 1, 2])
    drawn = distinct(uniform_numbers(7, range(4), 3), sizes)
    for row, size in zip(drawn, sizes, strict=True):
        items = row[: min(size, 3)]
        assert len(set(items)) == len(items)
        assert (items < size).all()


def test_by_hand() -> None:
    """Deck 0, 1, 2, 3: place 0 + floor(0.5 * 4) = 2 gives 2; then 1 + floor(0.5 * 3) = 2, where 0 now lies."""
    assert distinct(np.array([[0.5, 0.5]]), np.array([4])).tolist() == [[2, 0]]
    assert below(np.array([0.0, 0.49, 0.5, 0.999]), 2).tolist() == [0, 0, 1, 1]
    weights = np.array([[1.0, 0.0, 3.0]] * 4)
    assert by_weight(np.array([0.0, 0.2499, 0.25, 0.9999]), weights).tolist() == [0, 0, 2, 2]


def test_orders_are_all_alike() -> None:
    orders = random_orders(11, range(6000), 3)
    assert (np.sort(orders, axis=1) == [0, 1, 2]).all()
    counts = np.unique(orders @ [9, 3, 1], return_counts=True)[1]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > EXACT_P


def test_keys_and_seeds_differ_in_each_part() -> None:
    keys = {generator_key("a", 1), generator_key("a", 2), generator_key("b", 1), generator_key("a1")}
    assert len(keys) == 4
    assert generator_key("a", 1) == generator_key("a", 1)
    assert derived_seed(0, "stage a") != derived_seed(0, "stage b")
    assert derived_seed(0, "stage a") != derived_seed(1, "stage a")


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8])
def test_blocks_do_not_overlap(count: int) -> None:
    """A Philox block is four words: the next episode begins at a block of its own."""
    drawn = uniform_numbers(1, range(50), count)
    assert len(np.unique(drawn)) == 50 * count


def test_what_was_drawn_once_is_drawn_for_ever() -> None:
    """Drawn by the first version. With other values here every task of every record would be another."""
    assert generator_key("a", 1) == 7840285072334862671358899353298410809
    assert derived_seed(0, "stage a") == 1983272677496511253
    first = [0.3035680343067586, 0.8487087496857769, 0.1561347780434731]
    third = [0.4082618259872465, 0.1689563422844781, 0.26179718354958037]
    assert uniform_numbers(1, [0, 2], 3).tolist() == [first, third]
    assert random_orders(1, [0], 5).tolist() == [[3, 2, 0, 1, 4]]


@pytest.mark.parametrize("seed", range(20))
def test_seeds_fit_torchs_generator(seed: int) -> None:
    assert 0 <= derived_seed(seed, "any") < 2**63
