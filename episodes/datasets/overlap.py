"""Test classes that training has seen in another dataset, or under another split."""

from __future__ import annotations

import re
from typing import Any

from episodes.banks.bank import SPANS
from episodes.dataset import Dataset
from episodes.errors import DataError
from episodes.names import parts

# Datasets that were cut from the same pictures: there one name is one class, whatever was done to the images.
RELATED = (
    ("cifar-fs", "fc100", "torchvision:CIFAR100"),
    ("emoji", "emoji:all-styles", "emoji:augmented", "emoji:random-background"),
    ("mini-imagenet", "tiered-imagenet"),
)


def refuse_overlap(train: Dataset[Any], test: Dataset[Any]) -> None:
    """Raise DataError if a test class of `test` is among the classes for training or validation of `train`.

    It is if more than half of its items are there (images to the byte, texts but for case and white space); in datasets
    of the same source, and of types of mentions, also if its name is.
    """
    seen, words = [train.train, train.validation], train.kind in SPANS
    items = {
        item for bank in seen if not words and bank.item_shape == test.test.item_shape for item in bank.item_digests()
    }
    named = words or _cut_from_one(train.name, test.name)
    names = {_plain(name) for bank in seen for name in bank.class_names} if named else set()
    digests = test.test.item_digests() if items else []
    for name, start, size in zip(test.test.class_names, test.test.class_starts, test.test.class_sizes, strict=True):
        again = sum(item in items for item in digests[start : start + size])
        if 2 * again > size or _plain(name) in names:
            raise DataError(
                f"test class '{name}' of '{test.name}', split {test.split}, is in training or validation by "
                f"'{train.name}', split {train.split}; choose datasets or splits that share no class"
            )


def same_source(first: str, second: str) -> bool:
    """Whether datasets of these names, or mixes, have pictures of one source, where one name is one class."""
    return bool({*parts(first)} & {*parts(second)}) or _cut_from_one(first, second)


def class_of(name: str) -> str:
    """The class that a name of it stands for, in one spelling, whatever a mix or a rotation has added."""
    return _plain(origin(name))


def origin(name: str) -> str:
    """The class that a class is, or was made of by `ImageBank.with_rotations`: to know one is to know both."""
    return re.sub(r"/rot(090|180|270)$", "", name)


def _cut_from_one(first: str, second: str) -> bool:
    return any(all({*parts(each)} & {*family} for each in (first, second)) for family in RELATED)


def _plain(name: str) -> str:
    """The first of a name's synonyms, without a dataset's name in front, in one spelling."""
    return name.split(":")[-1].split(",")[0].replace("_", " ").lower()
