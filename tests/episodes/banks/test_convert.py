import numpy as np
import pytest
import torch
from PIL import Image

from episodes import DataError, Dataset, ImageBank


def test_grey_is_weighed_as_pillow_does() -> None:
    images = torch.randint(0, 256, (5, 3, 8, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    bank = ImageBank("x", images, ("a",), (5,), ("a",))
    grey = bank.fitted((1, 8, 9)).images
    expected = [np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).convert("L")) for image in images]
    difference = grey[:, 0].numpy().astype(int) - np.stack(expected).astype(int)
    assert np.abs(difference).max() <= 1  # Pillow's weights are in 65,536ths
    assert (difference == 0).mean() > 0.98
    worked = torch.tensor([[255, 0, 0], [1, 1, 1], [2, 0, 0], [0, 0, 5]], dtype=torch.uint8).view(4, 3, 1, 1)
    # 76.245; 1; 0.598, nearest to 1; 0.57, nearest to 1
    assert ImageBank("x", worked, ("a",), (4,), ("a",)).fitted((1, 1, 1)).images.flatten().tolist() == [76, 1, 1, 1]


@pytest.mark.parametrize("size", [(14, 14), (9, 20), (60, 45)])
def test_images_are_resized_as_pillow_does(size: tuple[int, int]) -> None:
    """Bilinear; where it shrinks, over all pixels that a new one covers."""
    stripes = torch.zeros(1, 1, 40, 40, dtype=torch.uint8)
    stripes[..., ::4] = 255  # lines of one pixel, which would be hit or missed without antialiasing
    noise = torch.randint(0, 256, (1, 1, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    bank = ImageBank("x", torch.cat([stripes, noise]), ("a",), (2,), ("a",))
    resized = bank.fitted((1, *size)).images[:, 0].numpy().astype(int)
    for image, found in zip(bank.images[:, 0].numpy(), resized, strict=True):
        expected = np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(found - expected).max() <= 1


def test_images_keep_their_place_and_brightness_in_another_shape(toy: Dataset) -> None:
    bank = toy.test.fitted((3, 14, 14))
    assert bank.images.shape == (160, 3, 14, 14)
    assert bank.images.dtype == torch.uint8
    assert torch.equal(bank.images[:, 0], bank.images[:, 2])
    reference = toy.test.images.float().view(-1, 14, 2, 14, 2).mean((2, 4))
    assert (bank.images[:, 0].float() - reference).abs().mean() < 12
    assert bank.fitted((3, 14, 14)) is bank


def test_more_than_memory_takes_is_refused_before_it_is_made() -> None:
    images = torch.zeros(1, 1, 1, 1, dtype=torch.uint8).expand(5_000_000, 1, 28, 28)  # one pixel in memory
    bank = ImageBank("x/train", images, ("a",), (5_000_000,), ("a",))
    with pytest.raises(
        DataError, match=r"the 5,000,000 images of 'x/train' take 15,000.0 GB at 1000 x 1000, and .* GB"
    ):
        bank.fitted((3, 1000, 1000))


def test_banks_of_one_class_name_do_not_join(toy: Dataset) -> None:
    with pytest.raises(DataError, match="one unique name"):
        ImageBank.joined("twice", [toy.test, toy.test])
