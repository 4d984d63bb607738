import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy import stats

from episodes import DataError, EpisodeList, EpisodeSampler, FixedTask, ImageBank
from episodes.episode import EpisodeIndices
from episodes.sampling.source import BLOCK
from tests.made_banks import numbered_bank

TASK = FixedTask(ways=3, shots=2, queries=3)


def same(first: EpisodeIndices, second: EpisodeIndices, rows: list[int]) -> bool:
    parts = ("classes", "support", "query")
    return all(np.array_equal(getattr(first, part)[rows], getattr(second, part)) for part in parts)


def test_an_episode_is_the_same_however_it_is_asked_for() -> None:
    sampler = EpisodeSampler(numbered_bank(), TASK, seed=1)
    together = sampler.indices(range(40))
    assert same(together, sampler.indices([7]), [7])
    assert same(together, sampler.indices([30, 3, 4, 5, 3]), [30, 3, 4, 5, 3])
    assert same(together, EpisodeSampler(numbered_bank(), TASK, seed=1).indices(range(20, 40)), list(range(20, 40)))


def test_an_episode_far_away_costs_nothing_and_differs() -> None:
    sampler = EpisodeSampler(numbered_bank(), TASK, seed=1)
    far = sampler.indices([10**15, 10**15 + 1])
    assert not np.array_equal(far.support[0], far.support[1])


def test_another_process_draws_the_same() -> None:
    program = (
        "import torch; from episodes import *; names = ('a', 'b', 'c');"
        "bank = ImageBank('x', torch.arange(27, dtype=torch.uint8).view(-1, 1, 1, 1), names, (9, 9, 9), names);"
        "print(EpisodeSampler(bank, FixedTask(2, 2, 3), 5).indices([11]).query.tolist())"
    )
    printed = {subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout for _ in "12"}
    bank = ImageBank(
        "another name",
        torch.arange(27, dtype=torch.uint8).view(-1, 1, 1, 1),
        *(("a", "b", "c"), (9, 9, 9), ("a", "b", "c")),
    )
    assert printed == {f"{EpisodeSampler(bank, FixedTask(2, 2, 3), 5).indices([11]).query.tolist()}\n"}


def test_the_episodes_that_version_0_1_drew_are_drawn_for_ever() -> None:
    """Records and frozen tasks rest on it: a change here makes old results incomparable."""
    drawn = EpisodeSampler(numbered_bank(), TASK, seed=0).indices([0, 12345])
    assert drawn.classes.tolist() == [[2, 0, 3], [3, 2, 0]]
    assert drawn.support.tolist() == [[16, 14, 1, 4, 21, 23], [26, 21, 12, 13, 2, 3]]


@pytest.mark.parametrize("change", ["seed", "task", "bank"])
def test_seed_task_and_bank_each_change_the_draw(change: str) -> None:
    first = EpisodeSampler(numbered_bank((9, 9, 9, 9)), TASK, seed=0).indices(range(5))
    other = {
        "seed": lambda: EpisodeSampler(numbered_bank((9, 9, 9, 9)), TASK, seed=1),
        "task": lambda: EpisodeSampler(numbered_bank((9, 9, 9, 9)), FixedTask(3, 2, 4), seed=0),
        "bank": lambda: EpisodeSampler(numbered_bank((9, 9, 9, 10)), TASK, seed=0),
    }[change]()
    assert not np.array_equal(first.support, other.indices(range(5)).support)


def test_support_and_query_are_distinct_images_of_their_class() -> None:
    bank = numbered_bank()
    drawn = EpisodeSampler(bank, TASK, seed=0).indices(range(500))
    images = np.concatenate([drawn.support, drawn.query], axis=1)
    labels = np.concatenate([drawn.support_labels, drawn.query_labels], axis=1)
    assert all(len(set(row)) == len(row) for row in images)
    assert all(len(set(row)) == TASK.ways for row in drawn.classes)
    assert np.array_equal(bank.labels.numpy()[images], np.take_along_axis(drawn.classes, labels, 1))


def test_batches_hold_the_images_and_labels_of_the_indices() -> None:
    sampler = EpisodeSampler(numbered_bank(), TASK, seed=0)
    drawn, batch = sampler.indices([3, 9]), sampler.batch([3, 9])
    assert batch.support.dtype == torch.uint8
    assert batch.support.shape == (2, 6, 1, 1, 1)
    assert batch.support.flatten(1).tolist() == drawn.support.tolist()
    assert batch.query.flatten(1).tolist() == drawn.query.tolist()
    assert batch.support_labels.tolist() == [[0, 0, 1, 1, 2, 2]] * 2
    assert batch.query_labels.tolist() == drawn.query_labels.tolist()
    assert np.sort(batch.query_labels, axis=1).tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2]] * 2
    assert batch.to_float().query.max() <= 1


def test_queries_are_the_drawn_ones_in_an_order_that_says_nothing() -> None:
    """Each of the nine places has each class equally often (chi-square), and places are independent of each other."""
    bank, numbers = numbered_bank(), range(6000)
    sampler = EpisodeSampler(bank, TASK, seed=0)
    drawn, asked = sampler.drawn(numbers), sampler.indices(numbers)
    assert (drawn.query_labels == [0, 0, 0, 1, 1, 1, 2, 2, 2]).all()
    assert np.array_equal(np.sort(asked.query, axis=1), np.sort(drawn.query, axis=1))
    assert np.array_equal(bank.labels.numpy()[asked.query], np.take_along_axis(asked.classes, asked.query_labels, 1))
    assert all(stats.chisquare(np.bincount(place)).pvalue > 1e-3 for place in asked.query_labels.T)
    assert len({tuple(row) for row in asked.query_labels.tolist()}) > 1500  # of 1,680 orders of the labels
    assert np.array_equal(asked.support, drawn.support)


def test_given_episodes_have_the_order_of_drawn_ones() -> None:
    sampler = EpisodeSampler(numbered_bank(), TASK, seed=0)
    listed = EpisodeList(numbered_bank(), [sampler.drawn([number]) for number in range(20)])
    assert np.array_equal(listed.indices([5, 19]).query, sampler.indices([5, 19]).query)


def test_a_place_in_the_pool_says_nothing_of_the_class() -> None:
    """Each of the classes drawn, distractors too, has each place as often; support and queries are those without it."""
    bank = numbered_bank()
    task = FixedTask(ways=2, shots=1, queries=1, unlabelled=2, distractors=1)
    sampler = EpisodeSampler(bank, task, seed=0)
    drawn, given = sampler.drawn(range(600)), sampler.indices(range(600))
    assert np.array_equal(np.sort(given.unlabelled, 1), np.sort(drawn.unlabelled, 1))
    assert np.array_equal(given.support, drawn.support)
    labels = bank.labels.numpy()
    firsts, classes = labels[given.unlabelled[:, :1]], labels[drawn.unlabelled[:, ::2]]  # two of each class
    assert np.abs((firsts == classes).mean(0) - 1 / 3).max() < 4 * (2 / 9 / 600) ** 0.5


@pytest.mark.parametrize("pool", [{}, {"unlabelled": 1, "distractors": 1}])
def test_one_at_a_time_they_are_those_of_a_batch(pool: dict[str, int]) -> None:
    sampler = EpisodeSampler(numbered_bank(), FixedTask(ways=2, shots=2, queries=2, **pool), seed=1)
    numbers = [*range(BLOCK + 2), 3]
    together, alone = sampler.batch(numbers), list(sampler.each(numbers))
    assert len(alone) == len(numbers)
    assert all(episode.ways == 2 for episode in alone)
    assert all((episode.unlabelled is None) == (not pool) for episode in alone)
    for name in ("support", "support_labels", "query", "query_labels", *(["unlabelled"] if pool else [])):
        parts = [getattr(episode, name) for episode in alone]
        assert all(part.is_contiguous() for part in parts)
        assert torch.equal(torch.cat(parts), getattr(together, name))


def test_classes_and_images_are_drawn_uniformly() -> None:
    """Chi-square tests; the seed is fixed, so they pass or fail for good."""
    bank = numbered_bank()
    drawn = EpisodeSampler(bank, TASK, seed=0).indices(range(12_000))
    position_counts = [np.bincount(drawn.classes[:, position], minlength=4) for position in range(TASK.ways)]
    pairs = np.bincount(drawn.classes[:, 0] * 4 + drawn.classes[:, 1], minlength=16)
    assert all(stats.chisquare(counts).pvalue > 1e-3 for counts in position_counts)
    assert stats.chisquare(pairs[pairs > 0]).pvalue > 1e-3
    assert np.count_nonzero(pairs) == 12
    for number in range(4):
        of_class = drawn.support.reshape(-1, TASK.ways, TASK.shots)[drawn.classes == number]
        support = of_class - bank.class_starts[number]
        for place in range(TASK.shots):
            counts = np.bincount(support[:, place], minlength=bank.class_sizes[number])
            assert stats.chisquare(counts).pvalue > 1e-3


def test_whole_class_can_be_drawn() -> None:
    drawn = EpisodeSampler(numbered_bank((5, 5, 5)), TASK, seed=0).indices([0])
    assert sorted(np.concatenate([drawn.support, drawn.query], 1).ravel()) == list(range(15))


def test_a_bank_too_small_for_the_task_is_refused() -> None:
    with pytest.raises(DataError, match="needs at least 5"):
        EpisodeSampler(numbered_bank(), FixedTask(5, 1, 1), seed=0)
