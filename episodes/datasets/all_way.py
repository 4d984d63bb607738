"""All classes of a dataset at once, with held-out items as queries: the data of `--task all-way`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from episodes.banks.bank import ItemBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets import loaded, prepared
from episodes.datasets.item_split import check_sizes, halves
from episodes.errors import DataError
from episodes.names import parts
from episodes.plugins import plugin_faults

SPLIT = "all classes"


def all_way(name: str, options: DataOptions | None = None) -> Dataset[Any]:
    """The dataset of that name with every class in all three parts, which differ in their items.

    A dataset with a `load_all(name, options)` gives the training and the test items of all its classes. Of others the
    classes of the test part are taken, and one half of each class's items is for training, the other for test (see
    `item_split.halves`). By a split of its `DRAWS` a dataset has one published draw of labelled items for training, and
    all of them are the support of a task where no other number of shots is asked for.

    Returns:
        `train` has the training items; `validation` has the same, the last third of each class held out, at least one;
        `test` has the training items of each class, then its test items, which are held out.

    Raises:
        DataError: several datasets, one of functions, classes with too few items, or as `episodes.datasets.load`.
    """
    module, rest, options = prepared_alone(name, options)
    training: Any
    if hasattr(module, "load_all"):
        with plugin_faults(f"dataset '{name}'", module):
            training, test = module.load_all(rest, options)
        called = name if rest == name else training.name.rpartition("/")[0]
    else:
        dataset = loaded(name, module, rest, options)
        if not isinstance(dataset.test, ItemBank):
            raise DataError(
                f"--task all-way does not go with --dataset {name}, whose tasks are functions; leave it out"
            )
        called = dataset.name
        training, test = halves(dataset.test.renamed(called))
    check_sizes(training, called, 2)
    drawn = options.split if options.split in getattr(module, "DRAWS", ()) else None
    return Dataset(
        called,
        drawn or SPLIT,
        training.renamed(f"{called}/train"),
        replace(training, name=f"{called}/validation", held_out=tuple(max(1, n // 3) for n in training.class_sizes)),
        _with_queries(f"{called}/test", training, test),
        shots=int(training.sizes.min()) if drawn else None,
    )


def prepared_alone(name: str, options: DataOptions | None) -> tuple[Any, str, DataOptions]:
    """As `episodes.datasets.prepared`; DataError for the names of several datasets."""
    if len(names := parts(name)) > 1:
        raise DataError(f"--task all-way takes one dataset, and --dataset {name} is {len(names)}; name one of them")
    return prepared(name, options)


def _with_queries(name: str, training: Any, test: Any) -> Any:
    """One bank with the training items of each class, then its test items, which are held out."""
    if training.class_names != test.class_names:
        raise DataError(f"'{training.name}' and '{test.name}' have different classes; they must have the same")
    # NUL, which no class name has, keeps the names of both apart until their classes are put together.
    both = type(training).joined(name, [training, test.renamed("", "\0")])
    by_class = np.arange(2 * training.classes).reshape(2, -1).T.ravel()
    rows = both.select(name, by_class.tolist())
    return replace(
        rows,
        class_names=training.class_names,
        class_sizes=tuple((training.sizes + test.sizes).tolist()),
        groups=training.groups,
        held_out=test.class_sizes,
    )
