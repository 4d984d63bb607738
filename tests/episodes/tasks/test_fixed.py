from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy import stats

from episodes import DataError, EpisodeSampler, FixedTask, ImageBank
from tests.made_banks import numbered_bank

GROUPS = ("a", "b", "a", "c", "b", "a", "c", "c")
BANK = numbered_bank((30, 31, 32, 33, 34, 35, 30, 30), GROUPS)

tasks = some.builds(
    FixedTask,
    ways=some.integers(2, 3),
    shots=some.integers(2, 5),
    queries=some.integers(1, 6),
    groups=some.sampled_from(["any", "within", "across"]),
    imbalance=some.sampled_from(["none", "step", "dirichlet"]),
    unlabelled=some.integers(0, 3),
    query_imbalance=some.sampled_from(["none", "dirichlet", "dirichlet:0.1"]),
)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"ways": 1}, "--ways 1 is too small; give at least 2"),
        ({"shots": 0}, "--shots 0 is too small; give at least 1"),
        ({"queries": 0}, "--queries 0 is too small; give at least 1"),
        ({"unlabelled": -1}, "--unlabelled -1 is too small; give at least 0"),
        ({"groups": "some"}, "there is no --groups some; give any, within, across"),
        ({"imbalance": "much"}, "there is no --imbalance much; give none, step, dirichlet"),
        ({"label_noise": 0.6}, "--label-noise 0.6 is out of range; give 0 to 0.5"),
        ({"label_noise": 0.1}, "--label-noise 0.1 is 1 of 10 support images, which cannot exchange"),
        ({"label_noise": 0.3, "ways": 2}, "--label-noise 0.3 is 3 of 10 support images"),
        ({"label_noise": 0.4, "imbalance": "step"}, "--label-noise does not go with --imbalance"),
        ({"distractors": 2}, "--distractors 2 needs --unlabelled"),
        ({"imbalance": "step", "shots": 1}, "--imbalance step has nothing to share with --shots 1; give at least 2"),
    ],
)
def test_numbers_out_of_range_are_refused(numbers: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        FixedTask(**{"ways": 2, "shots": 5, **numbers})


def test_a_bank_that_is_too_small_is_named_with_what_it_has() -> None:
    bank = ImageBank("animals/train", torch.zeros(7, 1, 2, 2, dtype=torch.uint8), ("cat", "owl"), (4, 3), ("g", "g"))
    FixedTask(2, 1, 2).check(bank)
    for task, message in {
        FixedTask(3, 1, 1): r"'animals/train' has 2 classes; --ways 3 needs at least 3",
        FixedTask(2, 2, 2): r"has 3 images of class 'owl'; --shots 2 and --queries 2 need 4",
        FixedTask(2, 1, 2, unlabelled=1): r"'owl'; --shots 1, --unlabelled 1 and --queries 2 need 4",
        FixedTask(
            2, 1, 1, unlabelled=1, distractors=1
        ): r"has 2 classes; --ways 2 and --distractors 1 needs at least 3",
        FixedTask(2, 1, 1, groups="across"): r"has 1 group; --ways 2 with --groups across needs 2",
        FixedTask(3, 1, 1, groups="within"): r"largest group of 'animals/train' has 2 classes; --ways 3",
        FixedTask(2, 3, 1, imbalance="step"): r"--shots 3 and --queries 1 need 6",
    }.items():
        with pytest.raises(DataError, match=message):
            task.check(bank)


@settings(max_examples=60, deadline=None)
@given(task=tasks, seed=some.integers(0, 2**32), numbers=some.lists(some.integers(0, 2**40), min_size=1, max_size=6))
def test_every_episode_keeps_to_its_recipe(task: FixedTask, seed: int, numbers: list[int]) -> None:
    drawn = EpisodeSampler(BANK, task, seed).indices(numbers)
    total = task.ways * task.shots
    assert drawn.support.shape == drawn.support_labels.shape == (len(numbers), total)
    for row in range(len(numbers)):
        images = np.concatenate([drawn.support[row], drawn.query[row], drawn.unlabelled[row]])
        assert len(images) == task.images
        labels = np.concatenate([drawn.support_labels[row], drawn.query_labels[row]])
        assert len(set(images)) == len(images)
        assert len(set(drawn.classes[row])) == task.ways
        assert np.array_equal(BANK.labels.numpy()[images[: len(labels)]], drawn.classes[row][labels])
        queries = Counter(drawn.query_labels[row].tolist())
        assert queries.total() == task.ways * task.queries
        assert task.query_imbalance != "none" or queries == dict.fromkeys(range(task.ways), task.queries)
        assert set(drawn.support_labels[row]) == set(range(task.ways))
        pool = Counter(BANK.labels.numpy()[drawn.unlabelled[row]])
        assert pool == (dict.fromkeys(drawn.classes[row], task.unlabelled) if task.unlabelled else {})
        of = len({GROUPS[number] for number in drawn.classes[row]})
        assert of == {"within": 1, "across": task.ways}.get(task.groups, of)


@settings(max_examples=20, deadline=None)
@given(task=tasks, numbers=some.lists(some.integers(0, 50), min_size=1, max_size=8))
def test_an_episode_does_not_depend_on_what_is_drawn_beside_it(task: FixedTask, numbers: list[int]) -> None:
    sampler = EpisodeSampler(BANK, task, seed=1)
    together = sampler.indices(numbers)
    for row, number in enumerate(numbers):
        alone = sampler.indices([number])
        assert all(np.array_equal(vars(together)[part][row], vars(alone)[part][0]) for part in vars(alone))


def test_a_recipe_is_called_by_what_differs_from_the_defaults() -> None:
    assert repr(FixedTask(5, 1)) == "FixedTask(ways=5, shots=1, queries=15)"
    assert repr(FixedTask(5, 1, groups="within")) == "FixedTask(ways=5, shots=1, queries=15, groups='within')"


def test_groups_and_their_classes_are_drawn_evenly() -> None:
    """Chi-square tests; the seed is fixed, so they pass or fail for good."""
    within = EpisodeSampler(BANK, FixedTask(2, 1, 1, groups="within"), seed=0).indices(range(9000)).classes
    of = np.asarray(GROUPS)[within[:, 0]]
    assert stats.chisquare(list(Counter(of).values())).pvalue > 1e-3
    assert stats.chisquare(np.bincount(within[of == "c", 0])[[3, 6, 7]]).pvalue > 1e-3
    across = EpisodeSampler(BANK, FixedTask(2, 1, 1, groups="across"), seed=0).indices(range(9000)).classes
    assert stats.chisquare(list(Counter(np.asarray(GROUPS)[across[:, 1]]).values())).pvalue > 1e-3


def test_step_imbalance_gives_half_of_the_classes_one_shot() -> None:
    drawn = EpisodeSampler(BANK, FixedTask(5, 4, 2, imbalance="step"), seed=0).indices(range(2000))
    counts = np.stack([(drawn.support_labels == label).sum(1) for label in range(5)], axis=1)
    assert np.array_equal(np.sort(counts, axis=1), np.tile([1, 1, 6, 6, 6], (2000, 1)))
    assert stats.chisquare((counts == 1).sum(0)).pvalue > 1e-3


def test_dirichlet_imbalance_has_the_moments_of_a_flat_dirichlet() -> None:
    """Of 8 images beyond the first of each of 2 classes, a flat Dirichlet-multinomial makes 0 to 8 equally likely."""
    drawn = EpisodeSampler(BANK, FixedTask(2, 5, 2, imbalance="dirichlet"), seed=0).indices(range(9000))
    counts = np.bincount((drawn.support_labels == 0).sum(1), minlength=10)[1:]
    assert len(counts) == 9
    assert stats.chisquare(counts).pvalue > 1e-3


def test_dirichlet_imbalance_stays_within_the_smallest_class() -> None:
    bank = numbered_bank((9, 9, 9))
    drawn = EpisodeSampler(bank, FixedTask(3, 5, 2, imbalance="dirichlet"), seed=0).indices(range(500))
    assert max((drawn.support_labels == label).sum(1).max() for label in range(3)) == 7


def test_dirichlet_imbalance_without_room_is_refused() -> None:
    """Nine images, four queries: at most five support images of a class, which balanced tasks have too."""
    with pytest.raises(DataError, match="has no room: no class of 'numbered' has more than 5 images beside 4 queries"):
        FixedTask(3, 5, 4, imbalance="dirichlet").check(numbered_bank((9, 9, 9)))
    FixedTask(3, 5, 4, imbalance="dirichlet").check(numbered_bank((9, 9, 10)))


@pytest.mark.parametrize(("ways", "shots", "noise"), [(5, 1, 0.4), (5, 5, 0.2), (3, 5, 0.5), (2, 5, 0.4), (5, 4, 0.35)])
def test_label_noise_makes_exactly_so_many_labels_wrong_and_keeps_their_numbers(
    ways: int, shots: int, noise: float
) -> None:
    drawn = EpisodeSampler(BANK, FixedTask(ways, shots, 2, label_noise=noise), seed=0).indices(range(300))
    named = np.take_along_axis(drawn.classes, drawn.support_labels, 1)
    wrong = named != BANK.labels.numpy()[drawn.support]
    assert set(wrong.sum(1)) == {round(noise * ways * shots)}
    assert all(set(Counter(row).values()) == {shots} for row in drawn.support_labels.tolist())
    assert wrong.any(0).reshape(ways, shots)[:, 0].all()
    true = np.take_along_axis(drawn.classes, drawn.query_labels, 1)
    assert np.array_equal(true, BANK.labels.numpy()[drawn.query])


def test_a_wrong_label_may_be_that_of_any_other_class() -> None:
    """Each as often, and two of a class alike as often as in orders drawn at random and kept if no label is right."""
    task = FixedTask(5, 5, 2, label_noise=0.4)
    labels = EpisodeSampler(BANK, task, seed=0).indices(range(4000)).support_labels.reshape(-1, 5, 5)[:, :, :2]
    assert stats.chisquare(np.bincount(labels[:, 0].ravel(), minlength=5)[1:]).pvalue > 1e-3
    places = np.arange(5).repeat(2)
    generator = np.random.default_rng(0)
    orders = generator.permuted(np.tile(places, (400_000, 1)), axis=1)
    valid = orders[(orders != places).all(1)]
    alike = (valid[:, 0] == valid[:, 1]).mean()
    assert (labels[:, 0, 0] == labels[:, 0, 1]).mean() == pytest.approx(alike, abs=0.03)


@pytest.mark.parametrize("query_imbalance", ["none", "dirichlet"])
def test_distractors_are_in_the_pool_alone(query_imbalance: str) -> None:
    task = FixedTask(2, 1, 2, unlabelled=3, distractors=2, query_imbalance=query_imbalance)
    drawn = EpisodeSampler(BANK, task, seed=0).indices(range(50))
    for row in range(50):
        pool = Counter(BANK.labels.numpy()[drawn.unlabelled[row]])
        assert set(pool.values()) == {3}
        assert len(pool) == 4
        assert set(drawn.classes[row]) < set(pool)
        asked = set(BANK.labels.numpy()[drawn.query[row]])
        assert asked <= set(drawn.classes[row])
        assert query_imbalance != "none" or len(asked) == 2
