"""NonEpisodicWrapper: all images of a meta-dataset as one ordinary dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch.utils.data import Dataset as TorchDataset

from episodes.errors import DataError
from episodes.torchmeta.utils.data.dataset import CombinationMetaDataset


class NonEpisodicWrapper(TorchDataset[Any]):
    """Pairs of an image and its class, class after class, for training without tasks.

    The target is a pair, before `target_transform`: the class's name in the class dataset's `labels`, and the number of
    the augmentation, 0 for none.

    Args:
        dataset: whose classes, augmentations and `transform`.
        target_transform: applied to each target.

    Raises:
        DataError: it is not a `CombinationMetaDataset`.
    """

    def __init__(self, dataset: CombinationMetaDataset, target_transform: Callable[[Any], Any] | None = None) -> None:
        if not isinstance(dataset, CombinationMetaDataset):
            raise DataError(f"NonEpisodicWrapper wraps a CombinationMetaDataset, not {type(dataset).__name__}")
        self.dataset = dataset
        self.target_transform = target_transform
        classes = dataset.dataset
        self._ends = np.cumsum([len(classes[number]) for number in range(classes.num_classes)])

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f"there is no image {index}; the last is {len(self) - 1}")
        classes = self.dataset.dataset
        augmentation, row = divmod(index, self.num_samples)
        number = int(np.searchsorted(self._ends, row, side="right"))
        images = classes[augmentation * classes.num_classes + number]
        image = images[row - int(self._ends[number]) + len(images)][0]
        name = classes.labels[number]
        target = ("/".join(name) if isinstance(name, list) else name, augmentation)
        return image, target if self.target_transform is None else self.target_transform(target)

    @property
    def num_samples(self) -> int:
        """The number of images without those of the augmentations."""
        return int(self._ends[-1])

    @property
    def num_classes(self) -> int:
        return len(self.dataset.dataset)

    def __len__(self) -> int:
        return self.num_samples * (1 + len(self.dataset.dataset.class_augmentations))
