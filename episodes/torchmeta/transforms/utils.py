"""What works on a transform, or on each of several that are composed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torchvision.transforms import Compose


def apply_wrapper(wrapper: Callable[[Any], Any], task_or_dataset: Any = None) -> Any:
    """The wrapper itself; a task wrapped by it; or a meta-dataset to whose `dataset_transform` it was added.

    Raises:
        NotImplementedError: it is neither a task nor a meta-dataset.
    """
    from episodes.torchmeta.utils.data.task import Task  # whose package needs this module

    if task_or_dataset is None:
        return wrapper
    if isinstance(task_or_dataset, Task):
        return wrapper(task_or_dataset)
    if not hasattr(task_or_dataset, "dataset_transform"):
        raise NotImplementedError(f"a splitter takes a Task or a MetaDataset, not {type(task_or_dataset).__name__}")
    before = task_or_dataset.dataset_transform
    task_or_dataset.dataset_transform = wrapper if before is None else Compose([before, wrapper])
    return task_or_dataset


def wrap_transform(transform: Any, fn: Callable[[Any], Any], transform_type: type | None = None) -> Any:
    """`fn` of the transform if it is of that type, and of each such one in a Compose; others stay as they are."""
    if transform_type is None or isinstance(transform, transform_type):
        return fn(transform)
    if isinstance(transform, Compose):
        return Compose([wrap_transform(step, fn, transform_type) for step in transform.transforms])
    return transform


def steps_of(transform: Any) -> Iterator[Any]:
    """The transforms that are applied one after the other; none for None."""
    if type(transform) is Compose:
        for step in transform.transforms:
            yield from steps_of(step)
    elif transform is not None:
        yield transform


def seed_transform(transform: Any, seed: int | None) -> None:
    """Seed the transform, or each of several that are composed, that can be seeded."""
    if isinstance(transform, Compose):
        for step in transform.transforms:
            seed_transform(step, seed)
    elif hasattr(transform, "seed"):
        transform.seed(seed=seed)
