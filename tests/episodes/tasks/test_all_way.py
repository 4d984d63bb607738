from dataclasses import replace

import numpy as np
import pytest
import torch

from episodes import DataError, EpisodeSampler, ImageBank
from episodes.tasks.all_way import AllWayTask

SIZES, HELD = (5, 7, 4), (2, 3, 1)


@pytest.fixture
def bank() -> ImageBank:
    images = torch.arange(16, dtype=torch.uint8).view(16, 1, 1, 1)
    return ImageBank("x/test", images, ("a", "b", "c"), SIZES, ("a", "b", "c"), held_out=HELD)


def test_queries_are_what_is_held_out_and_support_what_is_not(bank: ImageBank) -> None:
    sampler = EpisodeSampler(bank, AllWayTask(2), seed=0)
    for number in range(50):
        drawn = sampler.indices([number])
        assert drawn.classes.tolist() == [[0, 1, 2]]
        assert sorted(drawn.query[0].tolist()) == [3, 4, 9, 10, 11, 15]
        assert (bank.labels[drawn.query[0]].numpy() == drawn.query_labels[0]).all()
        assert (bank.labels[drawn.support[0]].numpy() == drawn.support_labels[0]).all()
        assert drawn.support_labels.tolist() == [[0, 0, 1, 1, 2, 2]]
        assert len(set(drawn.support[0].tolist())) == 6
        assert not set(drawn.support[0].tolist()) & set(drawn.query[0].tolist())


def test_each_training_item_is_drawn_alike(bank: ImageBank) -> None:
    drawn = EpisodeSampler(bank, AllWayTask(1), seed=0).indices(range(6000))
    counts = np.bincount(drawn.support.ravel(), minlength=16)
    for first, left in ((0, 3), (5, 4), (12, 3)):
        expected = 6000 / left
        assert np.abs(counts[first : first + left] - expected).max() < 5 * np.sqrt(expected)
    assert counts.sum() == 18_000


def test_an_episode_is_a_function_of_its_number(bank: ImageBank) -> None:
    sampler = EpisodeSampler(bank, AllWayTask(2), seed=0)
    together = sampler.indices(range(8))
    for number in range(8):
        assert (sampler.indices([number]).support == together.support[number]).all()
    assert (EpisodeSampler(bank, AllWayTask(2), seed=1).indices(range(8)).support != together.support).any()


def test_queries_may_be_fewer_of_each_class(bank: ImageBank) -> None:
    drawn = EpisodeSampler(bank, AllWayTask(1, queries=2), seed=0).drawn([0])
    assert drawn.query.tolist() == [[3, 4, 9, 10, 15]]


def test_bad_requests_say_what_to_do(bank: ImageBank) -> None:
    with pytest.raises(DataError, match="has 3 training images of class 'a'; --shots 4 asks for more"):
        EpisodeSampler(bank, AllWayTask(4), seed=0)
    with pytest.raises(DataError, match="holds nothing out"):
        EpisodeSampler(replace(bank, held_out=()), AllWayTask(1), seed=0)
    with pytest.raises(DataError, match="--shots 0 is too small"):
        AllWayTask(0)
    with pytest.raises(DataError, match="--queries 0 is too small"):
        AllWayTask(1, 0)
