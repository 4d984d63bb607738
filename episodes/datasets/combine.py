"""Datasets out of datasets: several mixed, one to train on and another to test on, or tasks picked by name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from episodes.banks.convert import convert, join
from episodes.banks.images import ImageBank
from episodes.dataset import PARTS, Dataset
from episodes.datasets.overlap import refuse_overlap
from episodes.errors import DataError, nearest


def mix(datasets: Sequence[Dataset[ImageBank]]) -> Dataset[ImageBank]:
    """All classes of several datasets, each split's together, as `omniglot+glyphs`.

    Images get the height and width of the first dataset's, and colour where any has it. Class and group names get
    their dataset's name in front.

    Raises:
        DataError: a test class of one is in training of another, as far as `refuse_overlap` can tell.
    """
    _only_images(datasets)
    for train, test in itertools.permutations(datasets, 2):
        refuse_overlap(train, test)
    channels = max(dataset.train.item_shape[0] for dataset in datasets)
    size = datasets[0].train.item_shape[1:]
    name = "+".join(dataset.name for dataset in datasets)

    def part(split: str) -> ImageBank:
        banks = [convert(_prefixed(getattr(each, split), each.name), channels, size) for each in datasets]
        return join(f"{name}/{split}", banks)

    splits = "+".join(dataset.split for dataset in datasets)
    return Dataset(name, splits, part("train"), part("validation"), part("test"))


def cross_domain(train: Dataset[ImageBank], test: Dataset[ImageBank]) -> Dataset[ImageBank]:
    """Train and validate on one dataset, test on the test classes of another.

    The test images are brought to the size and channels of the training images, which the network is built for.

    Raises:
        DataError: a test class is in training, as far as `refuse_overlap` can tell.
    """
    _only_images((train, test))
    refuse_overlap(train, test)
    channels, *size = train.train.item_shape
    return Dataset(
        f"{train.name} to {test.name}",
        f"{train.split} to {test.split}",
        train.train,
        train.validation,
        convert(test.test, channels, (size[0], size[1])),
        test.test_episodes,
    )


def named_tasks(
    dataset: Dataset[ImageBank], train: Sequence[Sequence[str]] = (), test: Sequence[Sequence[str]] = ()
) -> Dataset[ImageBank]:
    """The dataset with only the classes of named tasks for training, for test, or for both.

    Names may be of any split; what is named leaves the splits that it was in, so that no test class is trained on.

    Raises:
        DataError: an unknown name (gives the nearest), or one in tasks of both kinds.
    """
    wanted = {"train": _unique(train), "test": _unique(test)}
    tested = {_origin(name) for name in wanted["test"]}
    for name in wanted["train"]:
        if _origin(name) in tested:
            raise DataError(f"class '{name}' is in a --train-task and in a --test-task; leave it in one")
    every = {name: bank for bank in (dataset.train, dataset.validation, dataset.test) for name in bank.class_names}
    banks = {}
    for kind, names in wanted.items():
        for name in names:
            if name not in every:
                raise DataError(f"'{dataset.name}' has no class '{name}'{nearest(name, every)}")
        if names:
            parts = [every[name].select("", [every[name].class_names.index(name)]) for name in names]
            banks[kind] = join(f"{dataset.name}/{kind}", parts)
    named = {*wanted["train"], *wanted["test"]}
    for kind in PARTS:
        if kind not in banks:
            banks[kind] = _without(getattr(dataset, kind), named)
    return replace(dataset, train=banks["train"], validation=banks["validation"], test=banks["test"], test_episodes=())


def _only_images(datasets: Sequence[Dataset[Any]]) -> None:
    for dataset in datasets:
        if dataset.kind != "images":
            raise DataError(
                f"'{dataset.name}' has {dataset.kind}, no images; it goes alone, as --dataset {dataset.name}"
            )


def _unique(tasks: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in tasks for name in names))


def _origin(name: str) -> str:
    """The class that a class is, or was made of by `ImageBank.with_rotations`: to know one is to know both."""
    return re.sub(r"/rot(090|180|270)$", "", name)


def _prefixed(bank: ImageBank, prefix: str) -> ImageBank:
    names, groups = ([f"{prefix}:{name}" for name in names] for names in (bank.class_names, bank.groups))
    return replace(bank, class_names=tuple(names), groups=tuple(groups))


def _without(bank: ImageBank, names: Iterable[str]) -> ImageBank:
    gone = {_origin(name) for name in names}
    left = [number for number, name in enumerate(bank.class_names) if _origin(name) not in gone]
    if not left:
        raise DataError(f"the named tasks leave no class in '{bank.name}'; name fewer")
    return bank if len(left) == bank.classes else bank.select(bank.name, left)
