"""Small datasets of pictures, loaded as `tests.made_pictures:made` and so on."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch

from episodes import DataOptions, Dataset, ImageBank

CLASSES, IMAGES, SIZE = 6, 10, 16  # per split, per class, pixels


def bank(part: str, seed: int, channels: int = 1, name: str = "made") -> ImageBank:
    """Classes of random patterns of 4 x 4 squares under noise."""
    generator = torch.Generator().manual_seed(seed)
    patterns = torch.rand(CLASSES, 1, channels, 4, 4, generator=generator)
    patterns = patterns.repeat_interleave(SIZE // 4, 3).repeat_interleave(SIZE // 4, 4)
    noise = torch.rand(CLASSES, IMAGES, channels, SIZE, SIZE, generator=generator)
    images = (255 * (0.7 * patterns + 0.3 * noise)).to(torch.uint8).flatten(0, 1)
    names = tuple(f"{part}{number}" for number in range(CLASSES))
    return ImageBank(f"{name}/{part}", images, names, (IMAGES,) * CLASSES, names)


def dataset(name: str, seed: int = 0, channels: int = 1) -> Dataset[ImageBank]:
    """Three banks; the split `swapped` has those for training and test exchanged."""
    train, validation, test = (
        bank(part, seed + number, channels, name) for number, part in enumerate(("train", "validation", "test"))
    )
    return Dataset(name, "s", train, validation, test)


def with_image(made: ImageBank, row: int, image: torch.Tensor) -> ImageBank:
    """The bank with another image in a row."""
    images = made.images.clone()
    images[row] = image
    return replace(made, images=images)


SHARED = bank("test", 2).images[7]  # of a test class of `made`


def _loads(seed: int, channels: int = 1, leaks: bool = False) -> Any:
    def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
        found = dataset(name, seed, channels)
        if leaks:
            found = replace(found, train=with_image(found.train, 3, SHARED))
        if options.split == "swapped":
            train, test = (
                replace(each, name=f"{name}/{part}") for each, part in ((found.test, "train"), (found.train, "test"))
            )
            found = replace(found, split="swapped", train=train, test=test)
        if options.image_size or options.channels:
            size = options.image_size or SIZE
            shape = (options.channels or channels, size, size)
            found = replace(
                found, **{part: getattr(found, part).fitted(shape) for part in ("train", "validation", "test")}
            )
        return found

    return SimpleNamespace(load=load)


made, other, colour = _loads(0), _loads(10), _loads(20, channels=3)
leaking = _loads(10, leaks=True)
