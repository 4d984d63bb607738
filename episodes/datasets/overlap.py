"""Test classes that training has seen in another dataset, or under another split."""

from __future__ import annotations

from typing import Any

from episodes.banks.bank import SPANS
from episodes.dataset import Dataset
from episodes.errors import DataError

# Datasets that were cut from the same photographs: there one name is one class, whatever was done to the images.
RELATED = (("cifar-fs", "fc100", "torchvision:CIFAR100"), ("mini-imagenet", "tiered-imagenet"))


def refuse_overlap(train: Dataset[Any], test: Dataset[Any]) -> None:
    """Raise DataError if a test class of `test` is among the classes for training or validation of `train`.

    It is if more than half of its items are there (images to the byte, texts but for case and white space); in datasets
    of the same source, and of types of mentions, also if its name is.
    """
    seen, words = [train.train, train.validation], train.kind in SPANS
    items = {
        item for bank in seen if not words and bank.item_shape == test.test.item_shape for item in bank.item_digests()
    }
    names = {_plain(name) for bank in seen for name in bank.class_names} if words or _related(train, test) else set()
    digests = test.test.item_digests() if items else []
    for name, start, size in zip(test.test.class_names, test.test.class_starts, test.test.class_sizes, strict=True):
        again = sum(item in items for item in digests[start : start + size])
        if 2 * again > size or _plain(name) in names:
            raise DataError(
                f"test class '{name}' of '{test.name}', split {test.split}, is in training or validation by "
                f"'{train.name}', split {train.split}; choose datasets or splits that share no class"
            )


def _related(first: Dataset[Any], second: Dataset[Any]) -> bool:
    return any(all({*each.name.split("+")} & {*family} for each in (first, second)) for family in RELATED)


def _plain(name: str) -> str:
    """The first of a name's synonyms, without a dataset's name in front, in one spelling."""
    return name.split(":")[-1].split(",")[0].replace("_", " ").lower()
