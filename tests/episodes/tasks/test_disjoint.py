from dataclasses import replace

import numpy as np
import pytest

from episodes import DataError, FixedTask
from episodes.sampling.sampler import stack
from episodes.tasks.disjoint import disjoint_episodes
from tests.made_banks import numbered_bank

BANK = numbered_bank((12, 13, 14, 12, 25, 12, 12))
TASK = FixedTask(ways=3, shots=1, queries=3)


def test_no_image_is_in_two_tasks_and_labels_are_right() -> None:
    drawn = stack(disjoint_episodes(BANK, TASK, seed=0))
    images = np.concatenate([drawn.support, drawn.query], axis=1)
    labels = np.concatenate([drawn.support_labels, drawn.query_labels], axis=1)
    assert len(set(images.ravel())) == images.size
    assert np.array_equal(BANK.labels.numpy()[images], np.take_along_axis(drawn.classes, labels, 1))
    assert all(len(set(row)) == 3 for row in drawn.classes)


def test_the_images_are_used_up() -> None:
    """Of 24 blocks of 4 images at most 8 episodes of 3 classes can be made; greedy draws by weight come near."""
    counts = [len(disjoint_episodes(BANK, TASK, seed)) for seed in range(30)]
    assert max(counts) == 8
    assert min(counts) >= 7


def test_a_seed_repeats_and_another_differs() -> None:
    first, second, other = (stack(disjoint_episodes(BANK, TASK, seed)[:5]) for seed in (0, 0, 1))
    assert np.array_equal(first.support, second.support)
    assert not np.array_equal(first.support, other.support)


def test_variants_and_small_banks_are_refused() -> None:
    with pytest.raises(DataError, match="--disjoint goes with plain N-way K-shot alone; leave label_noise out"):
        disjoint_episodes(BANK, FixedTask(3, 2, 2, label_noise=0.5), seed=0)
    with pytest.raises(DataError, match="needs at least 9"):
        disjoint_episodes(BANK, FixedTask(9, 1, 1), seed=0)


def test_two_banks_of_one_size_have_other_tasks() -> None:
    """Each stream is keyed by its bank: else tasks of two datasets have the same classes' numbers in the same order."""
    other = replace(BANK, images=255 - BANK.images)
    first, second = (disjoint_episodes(bank, FixedTask(3, 2, 2), seed=0) for bank in (BANK, other))
    alike = [np.array_equal(one.classes, two.classes) for one, two in zip(first, second, strict=False)]
    assert np.mean(alike) < 0.2
