from collections import Counter

import numpy as np
import pytest
from scipy import stats

from episodes import DataError, EpisodeSampler
from episodes.tasks.variable import VariableTask, support_shots
from tests.made_banks import numbered_bank

SIZES = tuple(8 + 5 * (number % 5) for number in range(12))
BANK = numbered_bank(SIZES, ("a",) * 7 + ("b",) * 5)


def test_support_shots_worked_by_hand() -> None:
    """Sizes 20 and 40 with 10 queries; beta 0.5: ceil(0.5 * 10) + ceil(0.5 * 30) = 20 in the support.

    With uniform 0.5 for both, exp(a) = 0.5 * 4 ** 0.5 = 1: shares 1/3 and 2/3 of 20 - 2 = 18: 6 + 1 and 12 + 1.
    With 0 for the second, exp(a) = 0.5: equal shares 9 + 1 and 9 + 1, of which the first has 10 and no more.
    """
    sizes = np.array([20, 40])
    assert support_shots(sizes, 10, 0.5, np.array([0.5, 0.5])).tolist() == [7, 13]
    assert support_shots(sizes, 10, 0.5, np.array([0.5, 0.0])).tolist() == [10, 10]
    assert support_shots(np.array([600] * 5), 10, 1.0, np.full(5, 0.5)).tolist() == [100] * 5


@pytest.mark.parametrize("groups", ["any", "within"])
def test_every_episode_keeps_to_the_algorithm(groups: str) -> None:
    sampler = EpisodeSampler(BANK, VariableTask(groups), seed=0)  # type: ignore[arg-type]
    for number in range(200):
        drawn = sampler.indices([number])
        ways = drawn.classes.shape[1]
        images = np.concatenate([drawn.support[0], drawn.query[0]])
        labels = np.concatenate([drawn.support_labels[0], drawn.query_labels[0]])
        assert 5 <= ways <= 12
        assert len(set(images)) == len(images)
        assert np.array_equal(BANK.labels.numpy()[images], drawn.classes[0][labels])
        smallest = min(SIZES[c] for c in drawn.classes[0])
        assert set(Counter(drawn.query_labels[0]).values()) == {min(10, smallest // 2)}
        shots = Counter(drawn.support_labels[0])
        assert len(shots) == ways
        assert all(shots[label] <= SIZES[c] - min(10, smallest // 2) for label, c in enumerate(drawn.classes[0]))
        if groups == "within":
            assert len({BANK.groups[c] for c in drawn.classes[0]}) == 1


def test_the_size_of_the_support_is_drawn_evenly() -> None:
    """Of classes of 30 images, 10 are queries: the support has ways * b images, b = ceil(20 beta) in 1..20 alike.

    Rounding down takes less than one image per class of it; the bound of 20 per class matters only for large b.
    """
    bank = numbered_bank((30,) * 8)
    sampler = EpisodeSampler(bank, VariableTask(), seed=0)
    shapes = [(drawn.support.shape[1], drawn.classes.shape[1]) for drawn in map(sampler.indices, zip(range(4000)))]
    counts = np.bincount([-(-support // ways) for support, ways in shapes], minlength=21)
    assert stats.chisquare([*counts[1:8], counts[8:].sum()], [200] * 7 + [2600]).pvalue > 1e-3


def test_ways_are_drawn_evenly_and_groups_alike() -> None:
    sampler = EpisodeSampler(BANK, VariableTask(), seed=0)
    ways = Counter(sampler.indices([number]).classes.shape[1] for number in range(4000))
    assert sorted(ways) == list(range(5, 13))
    assert stats.chisquare(list(ways.values())).pvalue > 1e-3
    sampler = EpisodeSampler(BANK, VariableTask("within"), seed=0)
    first = Counter(BANK.groups[sampler.indices([number]).classes[0, 0]] for number in range(2000))
    assert stats.chisquare(list(first.values())).pvalue > 1e-3


def test_several_episodes_make_no_batch() -> None:
    sampler = EpisodeSampler(BANK, VariableTask(), seed=0)
    assert not sampler.one_shape
    with pytest.raises(DataError, match="draw them one at a time"):
        sampler.indices(range(2))


def test_a_bank_that_is_too_small_is_refused() -> None:
    with pytest.raises(DataError, match="'numbered' has 4 classes; --task variable needs at least 5"):
        VariableTask().check(numbered_bank())
    with pytest.raises(DataError, match="the largest group of 'numbered' has 1 class"):
        VariableTask("within").check(numbered_bank((9,) * 6))
    with pytest.raises(DataError, match="has 1 image of class 'class5'"):
        VariableTask().check(numbered_bank((9, 9, 9, 9, 9, 1)))
