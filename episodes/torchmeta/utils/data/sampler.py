"""Samplers of tasks of a CombinationMetaDataset: tuples of class numbers."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from itertools import combinations

from torch.utils.data import Sampler

from episodes.torchmeta.utils.data.dataset import CombinationMetaDataset


class _CombinationSampler(Sampler[tuple[int, ...]]):
    """As many tuples as there are sets of classes.

    Raises:
        TypeError: it is not a `CombinationMetaDataset`.
    """

    def __init__(self, data_source: CombinationMetaDataset) -> None:
        if not isinstance(data_source, CombinationMetaDataset):
            raise TypeError(f"data_source is a CombinationMetaDataset, not {type(data_source).__name__}")
        self.data_source = data_source

    @property
    def classes(self) -> range:
        return range(len(self.data_source.dataset))

    def __len__(self) -> int:
        return min(math.comb(len(self.classes), self.data_source.num_classes_per_task), sys.maxsize)


class CombinationSequentialSampler(_CombinationSampler):
    """Every set of classes once, in lexicographic order."""

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return combinations(self.classes, self.data_source.num_classes_per_task)


class CombinationRandomSampler(_CombinationSampler):
    """Classes drawn at random without replacement, from Python's generator (`random.seed`), as torchmeta does."""

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        for _ in range(len(self)):
            yield tuple(random.sample(self.classes, self.data_source.num_classes_per_task))
