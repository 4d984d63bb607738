"""Samplers of tasks of a CombinationMetaDataset: tuples of class numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations

from torch.utils.data import RandomSampler, SequentialSampler

from episodes.torchmeta.utils.data.dataset import CombinationMetaDataset


def _check(data_source: object) -> None:
    if not isinstance(data_source, CombinationMetaDataset):
        raise TypeError(f"data_source is a CombinationMetaDataset, not {type(data_source).__name__}")


class CombinationSequentialSampler(SequentialSampler):
    """Every set of classes once, in lexicographic order.

    Raises:
        TypeError: it is not a `CombinationMetaDataset`.
    """

    data_source: CombinationMetaDataset  # type: ignore[assignment]  # whose length is not its number of items

    def __init__(self, data_source: CombinationMetaDataset) -> None:
        _check(data_source)
        super().__init__(data_source)

    def __iter__(self) -> Iterator[tuple[int, ...]]:  # type: ignore[override]
        return combinations(range(len(self.data_source.dataset)), self.data_source.num_classes_per_task)

    def __len__(self) -> int:
        return self.data_source.combinations


class CombinationRandomSampler(RandomSampler):
    """Classes drawn at random without replacement, from Python's generator (`random.seed`), as torchmeta does.

    As many tuples as there are sets of classes.

    Raises:
        TypeError: it is not a `CombinationMetaDataset`.
    """

    data_source: CombinationMetaDataset  # type: ignore[assignment]

    def __init__(self, data_source: CombinationMetaDataset) -> None:
        _check(data_source)
        super().__init__(data_source, replacement=True, num_samples=data_source.combinations)

    def __iter__(self) -> Iterator[tuple[int, ...]]:  # type: ignore[override]
        classes = range(len(self.data_source.dataset))
        for _ in range(len(self)):
            yield tuple(random.sample(classes, self.data_source.num_classes_per_task))
