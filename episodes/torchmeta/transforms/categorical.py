"""Categorical: class names to the numbers 0..N-1."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import torch

from episodes.errors import DataError
from episodes.torchmeta.transforms.target_transforms import TargetTransform


class Categorical(TargetTransform):
    """Numbers the classes 0..N-1 as they are met: in random order where N is known, else one after the other.

    The order comes from torch's global generator (`torch.manual_seed`), as torchmeta's does. Each task of a
    `CombinationMetaDataset` has a copy of its own.

    Args:
        num_classes: N; None to number them in the order in which they are met. A `CombinationMetaDataset` sets it
            to the ways of its tasks.

    Raises:
        DataError: when called with an (N+1)th class.
    """

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        """Forget the classes met."""
        self.classes: dict[Hashable, int] = {}
        self._labels: list[int] | None = None

    @property
    def labels(self) -> list[int] | None:
        """The numbers in the order in which they are given out; None where N is unknown."""
        if self._labels is None and self.num_classes is not None:
            self._labels = torch.randperm(self.num_classes).tolist()
        return self._labels

    def __call__(self, target: Hashable) -> int:
        if target not in self.classes:
            met, labels = len(self.classes), self.labels
            if labels is not None and met >= len(labels):
                raise DataError(f"Categorical({len(labels)}) met a class more, {target!r}; give num_classes={met + 1}")
            self.classes[target] = met if labels is None else labels[met]
        return self.classes[target]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_classes or ''})"


class FixedCategory:
    """Adds a class's augmentation (None for none) to its name, so that the two are different classes."""

    def __init__(self, transform: Any = None) -> None:
        self.transform = transform

    def __call__(self, index: Any) -> tuple[Any, Any]:
        return index, self.transform

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.transform})"
