import pytest
import torch

from episodes import DataError, ImageBank
from episodes.sampling.batches import BatchSampler

BANK = ImageBank("numbered", torch.arange(20, dtype=torch.uint8).view(20, 1, 1, 1), ("a", "b"), (8, 12), ("a", "b"))


def numbers(sampler: BatchSampler, batch: int) -> list[int]:
    return (sampler.batch(batch).images.flatten() * 255).round().int().tolist()


def test_an_epoch_shows_every_image_once_and_the_next_in_another_order() -> None:
    sampler = BatchSampler(BANK, 5, seed=0)
    epochs = [[image for batch in range(4) for image in numbers(sampler, 4 * epoch + batch)] for epoch in range(2)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(20))
    assert epochs[0] != epochs[1]


def test_a_batch_is_the_same_whenever_it_is_asked_for() -> None:
    sampler = BatchSampler(BANK, 6, seed=0)
    late = numbers(sampler, 17)
    numbers(sampler, 2)
    assert numbers(sampler, 17) == late == numbers(BatchSampler(BANK, 6, seed=0), 17)
    assert numbers(BatchSampler(BANK, 6, seed=1), 17) != late


def test_labels_are_the_images_classes() -> None:
    batch = BatchSampler(BANK, 20, seed=0).batch(0)
    assert torch.equal(batch.labels, (batch.images.flatten() * 255 > 7.5).long())


@pytest.mark.parametrize("size", [0, 21])
def test_a_batch_that_the_bank_cannot_fill_is_refused(size: int) -> None:
    with pytest.raises(DataError, match=f"a batch of {size} images is not possible: 'numbered' has 20"):
        BatchSampler(BANK, size, seed=0)
