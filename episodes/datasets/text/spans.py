"""What datasets of words share: their files, and all types at once with sentences held out as queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from episodes.banks.spans import Sentence, SpanBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.all_way import prepared_alone

ALL_CLASSES = "all classes"  # the name of the split
VALIDATION = 5  # one in so many training sentences is a query of validation tasks


def all_way_spans(name: str, options: DataOptions) -> Dataset[Any]:
    """The dataset of that name with all its types in each part, and sentences held out for queries alone.

    Raises:
        DataError: several datasets, an option that it has not, or files that cannot be read.
    """
    module, rest, options = prepared_alone(name, options)
    dataset: Dataset[Any] = module.load_spans(rest, options)
    return dataset


def held_out(
    name: str,
    split: str,
    training: Sequence[Sentence],
    test: Sequence[Sentence],
    types: Sequence[str],
    bank: Any = None,
) -> Dataset[SpanBank]:
    """Training sentences for the support, and the test sentences as queries; of validation tasks the last training
    ones.

    Args:
        name: of the dataset.
        split: its name.
        training: sentences, in their order.
        test: likewise.
        types: all that they have mentions of.
        bank: the class of the banks; a `SpanBank` by default.
    """
    make = bank or SpanBank
    both = make(f"{name}/test", (*training, *test), tuple(types), held=len(test))
    train = make(f"{name}/train", tuple(training), tuple(types))
    later = max(1, len(training) // VALIDATION)
    return Dataset(name, split, train, replace(train, name=f"{name}/validation", held=later), both)
