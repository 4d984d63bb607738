from collections import Counter

import numpy as np
import pytest
from scipy import stats

from episodes import DataError, EpisodeSampler
from episodes.tasks.named import NamedTask
from tests.made_banks import numbered_bank

BANK = numbered_bank((9,) * 7)
TWO = (("class1", "class4", "class6"), ("class0", "class2", "class4"))


def test_episodes_are_the_named_tasks_each_in_every_order() -> None:
    drawn = EpisodeSampler(BANK, NamedTask(3, 2, 4, names=TWO), seed=0).indices(range(6000))
    orders = Counter(map(tuple, drawn.classes.tolist()))
    assert {tuple(sorted(order)) for order in orders} == {(1, 4, 6), (0, 2, 4)}
    assert len(orders) == 12
    assert stats.chisquare(list(orders.values())).pvalue > 1e-3
    named = np.take_along_axis(drawn.classes, drawn.support_labels, 1)
    assert np.array_equal(named, BANK.labels.numpy()[drawn.support])


def test_bad_names_are_refused() -> None:
    with pytest.raises(DataError, match=r"'numbered' has no class 'clas4'; did you mean 'class4'\?"):
        NamedTask(2, 1, 1, names=(("class1", "clas4"),)).check(BANK)
    with pytest.raises(DataError, match="'class1,class2' has 2 classes, where --ways is 3"):
        NamedTask(3, 1, names=(("class1", "class2"),))
    with pytest.raises(DataError, match="'class1,class1' has 1 classes"):
        NamedTask(2, 1, names=(("class1", "class1"),))
    with pytest.raises(DataError, match="leave --groups and --distractors out"):
        NamedTask(2, 1, groups="within", names=(("class1", "class2"),))
    with pytest.raises(DataError, match="has 9 images of class"):
        NamedTask(2, 5, 5, names=(("class1", "class2"),)).check(BANK)
