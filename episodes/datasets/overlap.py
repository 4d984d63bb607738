"""Test classes that training has seen in another dataset, or under another split."""

from __future__ import annotations

from collections.abc import Sequence

from episodes.banks.images import ImageBank
from episodes.dataset import Dataset
from episodes.errors import DataError

# Datasets that were cut from the same photographs: there one name is one class, whatever was done to the images.
RELATED = (("cifar-fs", "fc100", "torchvision:CIFAR100"), ("mini-imagenet", "tiered-imagenet"))


def refuse_overlap(train: Dataset[ImageBank], test: Dataset[ImageBank]) -> None:
    """Raise DataError if a test class of `test` is among the classes for training or validation of `train`.

    It is if more than half of its images are there, to the byte; in datasets of the same source also if its name is.
    """
    seen = [train.train, train.validation]
    pixels = {image for bank in seen if bank.item_shape == test.test.item_shape for image in _hashes(bank)}
    names = {_plain(name) for bank in seen for name in bank.class_names} if _related(train, test) else set()
    hashes = _hashes(test.test) if pixels else []
    for name, start, size in zip(test.test.class_names, test.test.class_starts, test.test.class_sizes, strict=True):
        again = sum(image in pixels for image in hashes[start : start + size])
        if 2 * again > size or _plain(name) in names:
            raise DataError(
                f"test class '{name}' of '{test.name}', split {test.split}, is in training or validation by "
                f"'{train.name}', split {train.split}; choose datasets or splits that share no class"
            )


def _related(first: Dataset[ImageBank], second: Dataset[ImageBank]) -> bool:
    return any(all({*each.name.split("+")} & {*family} for each in (first, second)) for family in RELATED)


def _hashes(bank: ImageBank) -> Sequence[int]:
    return [hash(image.tobytes()) for image in bank.images.numpy()]


def _plain(name: str) -> str:
    """The first of a name's synonyms, without a dataset's name in front, in one spelling."""
    return name.split(":")[-1].split(",")[0].replace("_", " ").lower()
