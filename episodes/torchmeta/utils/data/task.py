"""Tasks: the images and targets that one few-shot problem is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch.utils.data import ConcatDataset, Subset
from torch.utils.data import Dataset as TorchDataset
from torchvision.transforms import Compose


class Dataset(TorchDataset[Any]):
    """The images of one class, or those of a task. A subclass gives `__len__` and `__getitem__`.

    Args:
        index: which one it is; its hash is the seed of what a splitter draws from it.
        transform: applied to each input.
        target_transform: applied to each target.
    """

    def __init__(
        self,
        index: Any,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.index = index
        self.transform = transform
        self.target_transform = target_transform

    def target_transform_append(self, transform: Callable[[Any], Any] | None) -> None:
        """Apply this to the targets too, after what is applied already."""
        if transform is not None:
            before = self.target_transform
            self.target_transform = transform if before is None else Compose([before, transform])

    def __len__(self) -> int:
        raise NotImplementedError

    def __hash__(self) -> int:
        return hash(self.index)


class Task(Dataset):
    """A task as a dataset of pairs (input, target).

    Args:
        index: which one it is.
        num_classes: its ways; None for regression.
        transform, target_transform: see `Dataset`.
    """

    def __init__(
        self,
        index: Any,
        num_classes: int | None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(index, transform, target_transform)
        self.num_classes = num_classes


class ConcatTask(Task, ConcatDataset[Any]):
    """The task of several classes, all images of the first before those of the second.

    Args:
        datasets: one `Dataset` a class.
        num_classes: its ways.
        target_transform: appended to each class's own.
    """

    datasets: list[Dataset]  # type: ignore[assignment]

    def __init__(
        self, datasets: Sequence[Dataset], num_classes: int, target_transform: Callable[[Any], Any] | None = None
    ) -> None:
        Task.__init__(self, tuple(dataset.index for dataset in datasets), num_classes)
        ConcatDataset.__init__(self, datasets)
        for dataset in datasets:
            dataset.target_transform_append(target_transform)

    def __len__(self) -> int:
        return ConcatDataset.__len__(self)


class SubsetTask(Task, Subset[Any]):
    """Some images of a task, such as its train or its test images.

    Args:
        dataset: the task.
        indices: which images, in order.
        num_classes: its ways; None for those of the task.
        target_transform: appended to the task's own.
    """

    dataset: Task
    indices: Sequence[int]

    def __init__(
        self,
        dataset: Task,
        indices: Sequence[int],
        num_classes: int | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        Task.__init__(self, dataset.index, dataset.num_classes if num_classes is None else num_classes)
        Subset.__init__(self, dataset, indices)
        self.dataset.target_transform_append(target_transform)

    def __len__(self) -> int:
        return len(self.indices)

    def __hash__(self) -> int:
        return hash((self.index, tuple(self.indices)))
