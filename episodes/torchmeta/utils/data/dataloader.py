"""Loaders of batches of tasks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate
from torch.utils.data import Dataset as TorchDataset

from episodes.torchmeta.utils.data.dataset import CombinationMetaDataset
from episodes.torchmeta.utils.data.pictures import Rows, rows_of
from episodes.torchmeta.utils.data.sampler import CombinationRandomSampler, CombinationSequentialSampler


class BatchMetaCollate:
    """Makes one batch of several tasks: tensors `[B, n, ...]` of inputs and targets, under the tasks' own keys.

    Tasks of pictures whose transforms are known to be repeatable are gathered from one tensor; others, and all where a
    subclass has a `collate_task` of its own, are read item by item.

    Args:
        collate_fn: what makes a batch of items, and of tasks.
    """

    def __init__(self, collate_fn: Callable[[list[Any]], Any]) -> None:
        self.collate_fn = collate_fn

    def collate_task(self, task: Any) -> Any:
        """All items of a task, or of each part of it.

        Raises:
            NotImplementedError: it is neither a dataset nor an OrderedDict of them.
        """
        if isinstance(task, TorchDataset):
            return self.collate_fn([task[index] for index in range(len(task))])  # type: ignore[arg-type]
        if isinstance(task, OrderedDict):
            return OrderedDict((key, self.collate_task(part)) for key, part in task.items())
        raise NotImplementedError(f"a task is a Dataset or an OrderedDict of them, not {type(task).__name__}")

    def __call__(self, batch: list[Any]) -> Any:
        ours = getattr(self.collate_task, "__func__", None) is BatchMetaCollate.collate_task
        gathered = _gather(batch) if ours and self.collate_fn is default_collate else None
        return self.collate_fn([self.collate_task(task) for task in batch]) if gathered is None else gathered


def _gather(batch: list[Any]) -> Any:
    """The batch from the tensor that has all its images; None where there is no such tensor."""
    split = isinstance(batch[0], OrderedDict)
    tasks: list[dict[Any, Any]] = batch if split else [{"": task} for task in batch]
    names = list(tasks[0])
    found = [rows_of([task[name] for name in names]) for task in tasks]
    whole = [rows for rows in found if rows is not None]
    if len(whole) < len(batch) or any(not _fit(parts) for parts in zip(*whole, strict=True)):
        return None
    # Task by task: which class gets which number may depend on the order in which they are met.
    targets = [[part.targets() for part in rows] for rows in whole]
    result = OrderedDict(
        (name, [_inputs([rows[place] for rows in whole]), _stack([of_task[place] for of_task in targets])])
        for place, name in enumerate(names)
    )
    return result if split else result[""]


def _fit(parts: tuple[Rows, ...]) -> bool:
    return all(part.pictures is parts[0].pictures and len(part.numbers) == len(parts[0].numbers) for part in parts)


def _inputs(parts: list[Rows]) -> Tensor:
    inputs = parts[0].pictures.gather(np.concatenate([part.numbers for part in parts]))
    return inputs.view(len(parts), -1, *inputs.shape[1:])


def _stack(targets: list[list[Any]]) -> Any:
    """What `default_collate` makes of them, without a call an item where they are integers."""
    if all(type(target) is int for of_task in targets for target in of_task):
        return torch.from_numpy(np.array(targets, dtype=np.int64))
    return default_collate([default_collate(of_task) for of_task in targets])


def no_collate(batch: list[Any]) -> list[Any]:
    """The tasks as they are."""
    return batch


class MetaDataLoader(DataLoader[Any]):
    """Loads lists of tasks; of a `CombinationMetaDataset`, tasks of classes drawn at random, or one after the other.

    The arguments are `torch.utils.data.DataLoader`'s.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = True,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
    ) -> None:
        if isinstance(dataset, CombinationMetaDataset) and sampler is None:
            sampler = CombinationRandomSampler(dataset) if shuffle else CombinationSequentialSampler(dataset)
            shuffle = False
        super().__init__(
            dataset,
            batch_size=batch_size,
            shuffle=shuffle,
            sampler=sampler,
            batch_sampler=batch_sampler,  # type: ignore[arg-type]
            num_workers=num_workers,
            collate_fn=collate_fn or no_collate,
            pin_memory=pin_memory,
            drop_last=drop_last,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
        )


class BatchMetaDataLoader(MetaDataLoader):
    """Loads batches of tasks as tensors: `batch["train"]` and `batch["test"]` are lists [inputs, targets].

    With a `ClassSplitter` of K shots, N-way tasks and pictures as tensors, train inputs are `[B, N*K, C, H, W]` float32
    and train targets `[B, N*K]` int64. Without a splitter the batch itself is such a list, of all images of the
    classes.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = True,
        sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
    ) -> None:
        super().__init__(
            dataset,
            batch_size=batch_size,
            shuffle=shuffle,
            sampler=sampler,
            num_workers=num_workers,
            collate_fn=BatchMetaCollate(default_collate),
            pin_memory=pin_memory,
            drop_last=drop_last,
            timeout=timeout,
            worker_init_fn=worker_init_fn,
        )
