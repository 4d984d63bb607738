"""Banks that hold images out: these are the queries of tasks, and the others the support."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from episodes import DataError, EpisodeSampler, FixedTask, ImageBank, NamedTask, VariableTask
from episodes.datasets.item_split import halves
from episodes.tasks.disjoint import disjoint_episodes
from tests.made_banks import numbered_bank

HELD = (2, 3, 2, 4)
BANK = replace(numbered_bank((5, 7, 6, 9), ("a", "b", "a", "b")), held_out=HELD)
QUERIES = {3, 4, 9, 10, 11, 16, 17, 23, 24, 25, 26}  # by hand: the last of 0 to 4, 5 to 11, 12 to 17 and 18 to 26


@pytest.mark.parametrize(
    "task",
    [
        FixedTask(3, 3, 2),
        FixedTask(2, 1, 2, groups="within"),
        FixedTask(2, 2, 1, groups="across", label_noise=0.5),
        NamedTask(2, 3, 2, names=(("class3", "class0"), ("class1", "class2"))),
    ],
)
def test_queries_are_what_is_held_out_and_support_what_is_not(task: FixedTask) -> None:
    drawn = EpisodeSampler(BANK, task, seed=0).indices(range(400))
    assert set(drawn.query.ravel()) == QUERIES
    assert set(drawn.support.ravel()) == set(range(27)) - QUERIES
    named = np.take_along_axis(drawn.classes, drawn.query_labels, 1)
    assert np.array_equal(named, BANK.labels.numpy()[drawn.query])
    for images in np.concatenate([drawn.support, drawn.query], axis=1):
        assert len(set(images)) == task.images


def test_each_image_is_as_likely_as_the_others_of_its_side() -> None:
    drawn = EpisodeSampler(BANK, FixedTask(2, 1, 1), seed=0).indices(range(20_000))
    for images, of_class_3 in ((drawn.support, range(18, 23)), (drawn.query, range(23, 27))):
        counts = np.bincount(images.ravel(), minlength=27)[list(of_class_3)]
        assert counts == pytest.approx(counts.mean(), rel=0.1)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda bank: FixedTask(2, 4, 1).check(bank),
            "'numbered' has 3 images of class 'class0' for --shots 4: ask for",
        ),
        (lambda bank: FixedTask(2, 1, 3).check(bank), "'numbered' has 2 images of class 'class0' for --queries 3: ask"),
        (
            lambda bank: FixedTask(2, 2, 1, imbalance="step").check(bank),
            "queries alone; --imbalance does not go with it",
        ),
        (lambda bank: FixedTask(2, 1, 1, unlabelled=1).check(bank), "queries alone; --unlabelled does not go with it"),
        (lambda bank: FixedTask(2, 1, 1, query_imbalance="dirichlet").check(bank), "alone; --query-imbalance does not"),
        (lambda bank: VariableTask().check(bank), "queries alone; --task variable does not go with it: leave it out"),
        (lambda bank: disjoint_episodes(bank, FixedTask(2, 1, 1), 0), "queries alone; --disjoint does not go with it"),
    ],
)
def test_what_it_cannot_give_is_refused(draw: Callable[[ImageBank], object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        draw(BANK)
    draw(numbered_bank((20,) * 6))  # of which nothing is held out


def test_what_is_held_out_stays_so_in_a_choice_of_classes_and_in_a_join() -> None:
    chosen = BANK.select("chosen", [3, 0])
    assert chosen.held_out == (4, 2)
    joined = ImageBank.joined("joined", [chosen, BANK.select("other", [1])])
    assert (joined.class_names, joined.held_out) == (("class3", "class0", "class1"), (4, 2, 3))
    with pytest.raises(DataError, match="needs a number of held-out images per class"):
        ImageBank.joined("joined", [chosen, numbered_bank((5, 5)).renamed("", "x")])


def test_halves_are_what_is_held_out_and_what_is_not() -> None:
    training, test = halves(BANK)
    assert set(test.images.ravel().tolist()) == QUERIES
    assert set(training.images.ravel().tolist()) == set(range(27)) - QUERIES
    assert test.class_sizes == HELD
