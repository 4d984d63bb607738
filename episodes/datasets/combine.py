"""Datasets out of datasets: several mixed, one to train on and another to test on, or tasks picked by name."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from episodes.banks.bank import SPANS, ItemBank, Kind
from episodes.dataset import PARTS, Dataset
from episodes.datasets.overlap import origin, refuse_overlap
from episodes.errors import DataError, nearest


def mix(datasets: Sequence[Dataset[Any]]) -> Dataset[Any]:
    """All classes of several datasets, each split's together, as `omniglot+glyphs`.

    Images get the height and width of the first dataset's, and colour where any has it. Class and group names get
    their dataset's name in front. The datasets are of one kind.

    Raises:
        DataError: a test class of one is in training of another, as far as `refuse_overlap` can tell.
    """
    kind = _only_items(datasets)
    if kind in SPANS:
        raise DataError(
            f"'{datasets[0].name}' and '{datasets[1].name}' have the words of sentences, which are not mixed; name one"
        )
    if len({bool(dataset.train.held_out) for dataset in datasets}) > 1:
        name = next(dataset.name for dataset in datasets if dataset.train.held_out)
        raise DataError(f"'{name}' has images for queries alone, and is not mixed with others; name one dataset")
    for train, test in itertools.permutations(datasets, 2):
        refuse_overlap(train, test)
    shape = datasets[0].train.item_shape
    if kind == "images":
        shape = (max(dataset.train.item_shape[0] for dataset in datasets), *shape[1:])
    name = "+".join(dataset.name for dataset in datasets)

    def part(split: str) -> ItemBank:
        banks: list[ItemBank] = [getattr(each, split).renamed("", f"{each.name}:").fitted(shape) for each in datasets]
        return type(banks[0]).joined(f"{name}/{split}", banks)

    splits = "+".join(dataset.split for dataset in datasets)
    return Dataset(name, splits, part("train"), part("validation"), part("test"), queries=_queries(datasets))


def cross_domain(train: Dataset[Any], test: Dataset[Any]) -> Dataset[Any]:
    """Train and validate on one dataset, test on the test classes of another.

    Test images are brought to the size and channels of the training images, which the network is built for. The two
    datasets are of one kind.

    Raises:
        DataError: a test class is in training, as far as `refuse_overlap` can tell.
    """
    _only_items((train, test))
    refuse_overlap(train, test)
    return Dataset(
        f"{train.name} to {test.name}",
        f"{train.split} to {test.split}",
        train.train,
        train.validation,
        test.test.fitted(train.train.item_shape),
        test.test_episodes,
        _queries((train, test)),
        {**train.synonyms, **test.synonyms},
    )


def named_tasks(
    dataset: Dataset[Any], train: Sequence[Sequence[str]] = (), test: Sequence[Sequence[str]] = ()
) -> Dataset[Any]:
    """The dataset with only the classes of named tasks for training, for test, or for both.

    Names may be of any split; what is named leaves the splits that it was in, so that no test class is trained on.

    Raises:
        DataError: an unknown name (gives the nearest), or one in tasks of both kinds.
    """
    wanted = {"train": _unique(train), "test": _unique(test)}
    tested = {origin(name) for name in wanted["test"]}
    for name in wanted["train"]:
        if origin(name) in tested:
            raise DataError(f"class '{name}' is in a --train-task and in a --test-task; leave it in one")
    every = {name: bank for bank in (dataset.train, dataset.validation, dataset.test) for name in bank.class_names}
    banks = {}
    for kind, names in wanted.items():
        for name in names:
            if name not in every:
                raise DataError(f"'{dataset.name}' has no class '{name}'{nearest(name, every)}")
        if names:
            parts = [every[name].select("", [every[name].class_names.index(name)]) for name in names]
            banks[kind] = type(parts[0]).joined(f"{dataset.name}/{kind}", parts)
    named = {*wanted["train"], *wanted["test"]}
    for kind in PARTS:
        if kind not in banks:
            banks[kind] = _without(getattr(dataset, kind), named)
    return replace(dataset, train=banks["train"], validation=banks["validation"], test=banks["test"], test_episodes=())


def _queries(datasets: Iterable[Dataset[Any]]) -> int | None:
    """How many each dataset's classes suffice for."""
    return min((dataset.queries for dataset in datasets if dataset.queries), default=None)


def _only_items(datasets: Sequence[Dataset[Any]]) -> Kind:
    """The one kind of the datasets; raises DataError where they have no items, or are of several kinds."""
    for dataset in datasets:
        if dataset.kind == "functions":
            raise DataError(
                f"'{dataset.name}' has functions, which have no classes; it goes alone, as --dataset {dataset.name}"
            )
    first, *others = datasets
    for other in others:
        if other.kind != first.kind:
            raise DataError(
                f"'{first.name}' has {first.kind}, and '{other.name}' has {other.kind}; choose datasets of one kind"
            )
    return first.kind


def _unique(tasks: Sequence[Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(name for names in tasks for name in names))


def _without(bank: ItemBank, names: Iterable[str]) -> ItemBank:
    gone = {origin(name) for name in names}
    left = [number for number, name in enumerate(bank.class_names) if origin(name) not in gone]
    if not left:
        raise DataError(f"the named tasks leave no class in '{bank.name}'; name fewer")
    return bank if len(left) == bank.classes else bank.select(bank.name, left)
