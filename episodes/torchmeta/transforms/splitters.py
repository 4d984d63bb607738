"""Splitters: transforms of a task into its parts, such as train (support) and test (query)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from episodes.errors import DataError
from episodes.torchmeta.transforms.utils import apply_wrapper
from episodes.torchmeta.utils.data.task import ConcatTask, SubsetTask, Task

Numbers = np.ndarray[Any, np.dtype[np.int64]]


class Splitter:
    """Makes of a task an OrderedDict of disjoint tasks.

    A subclass gives `get_indices_task` and `get_indices_concattask`.

    Args:
        splits: the name of each part, with what the subclass needs to know of it.
        random_state_seed: one seed for what is drawn of every task.
    """

    def __init__(self, splits: Mapping[str, Any], random_state_seed: int) -> None:
        self.splits = splits
        self.random_state_seed = random_state_seed
        self.seed(random_state_seed)

    def seed(self, seed: int | None) -> None:
        """Begin anew the random order within each part."""
        self.np_random = np.random.RandomState(seed)

    def get_indices(self, task: Task) -> Mapping[str, Sequence[int]]:
        """For each part the numbers of its images in the task.

        Raises:
            DataError: it is no task.
        """
        if isinstance(task, ConcatTask):
            return self.get_indices_concattask(task)
        if isinstance(task, Task):
            return self.get_indices_task(task)
        raise DataError(f"a splitter splits a Task or a ConcatTask, not {type(task).__name__}")

    def get_indices_task(self, task: Task) -> Mapping[str, Sequence[int]]:
        """The same of a task whose images have to be looked at for their classes."""
        raise NotImplementedError(f"{type(self).__name__} has no get_indices_task, which splits a Task")

    def get_indices_concattask(self, task: ConcatTask) -> Mapping[str, Sequence[int]]:
        """The same of a task that is made of one dataset a class."""
        raise NotImplementedError(f"{type(self).__name__} has no get_indices_concattask, which splits a ConcatTask")

    def __call__(self, task: Task) -> OrderedDict[str, SubsetTask]:
        indices = self.get_indices(task)
        return OrderedDict((name, SubsetTask(task, indices[name])) for name in self.splits)

    def __len__(self) -> int:
        return len(self.splits)


class _ClassSplitter(Splitter):
    """Takes images of each class by number. A subclass gives `sizes`.

    Which images of a class a part gets is decided by the task and `random_state_seed` alone; `seed` decides in which
    order they come.

    Args:
        splits, random_state_seed: see `Splitter`.
        shuffle: whether images are drawn at random; else the first of a class come first.
    """

    def __init__(self, splits: Mapping[str, Any], random_state_seed: int, shuffle: bool) -> None:
        if not splits:
            raise DataError(
                "a splitter needs at least one part; give num_train_per_class, num_test_per_class or the like"
            )
        super().__init__(OrderedDict(splits), random_state_seed)
        self.shuffle = shuffle
        self._of_task = np.random.RandomState(0)  # kept, since to seed one takes a fraction of the time to make one

    def sizes(self, available: int, fewest: int) -> dict[str, int]:
        """How many images each part gets of a class that has `available`, where the smallest has `fewest`.

        Raises:
            DataError: there are too few.
        """
        raise NotImplementedError

    def drawn_from(self, available: int, fewest: int) -> int:
        """How many images of such a class the parts are drawn from: its first."""
        return available

    def get_indices_task(self, task: Task) -> OrderedDict[str, list[int]]:
        """For each part the numbers of its images in the task, class by class; a regression task is one class.

        Raises:
            DataError: a class has too few images, or the task has not as many classes as it says.
        """
        return self._indices(hash(task), list(enumerate(_of_classes(task))))

    def get_indices_concattask(self, task: ConcatTask) -> OrderedDict[str, list[int]]:
        """For each part the numbers of its images in the task, class by class.

        Raises:
            DataError: a class has too few images.
        """
        ends = np.cumsum([len(dataset) for dataset in task.datasets]).tolist()
        starts = [0, *ends[:-1]]
        classes = [
            (hash(dataset), np.arange(start, end))
            for dataset, start, end in zip(task.datasets, starts, ends, strict=True)
        ]
        return self._indices(hash(task), classes)

    def _indices(self, task_seed: int, classes: list[tuple[int, Numbers]]) -> OrderedDict[str, list[int]]:
        fewest = min((len(images) for _, images in classes), default=0)
        indices: OrderedDict[str, list[int]] = OrderedDict((name, []) for name in self.splits)
        for class_seed, images in classes:
            sizes = self.sizes(len(images), fewest)
            order = self._order(task_seed + class_seed, self.drawn_from(len(images), fewest))
            start = 0
            for name, size in sizes.items():
                part = order[start : start + size]
                if self.shuffle:
                    part = self.np_random.permutation(part)
                indices[name].extend(images[part].tolist())
                start += size
        return indices

    def _order(self, seed: int, images: int) -> Numbers:
        if not self.shuffle:
            return np.arange(images)
        self._of_task.seed((seed + self.random_state_seed) % 2**32)
        return self._of_task.permutation(images)


def _of_classes(task: Task) -> list[Numbers]:
    """The numbers of each class's images in the task, classes in the order in which they are met."""
    if task.num_classes is None:
        return [np.arange(len(task))]
    of_class: dict[Any, list[int]] = {}
    for index in range(len(task)):
        item = task[index]
        if not isinstance(item, tuple) or len(item) < 2:
            raise DataError("to split a task by class, each of its items must be a tuple that ends in the target")
        of_class.setdefault(item[-1], []).append(index)
    if len(of_class) != task.num_classes:
        raise DataError(f"the task says it has {task.num_classes} classes; its items have {len(of_class)}")
    return [np.array(images) for images in of_class.values()]


def _named(named: Mapping[str, Any] | None, train: Any, test: Any, support: Any, query: Any) -> Mapping[str, Any]:
    """The parts as a mapping: as given, or under the names of the arguments that are not None."""
    if named is not None:
        return named
    first = {"support": support} if train is None else {"train": train}
    second = {"query": query} if test is None else {"test": test}
    return {name: share for name, share in {**first, **second}.items() if share is not None}


class ClassSplitter_(_ClassSplitter):  # noqa: N801 - torchmeta's name
    """The same number of images of every class for a part; see `ClassSplitter`."""

    def __init__(
        self,
        shuffle: bool = True,
        num_samples_per_class: Mapping[str, int] | None = None,
        num_train_per_class: int | None = None,
        num_test_per_class: int | None = None,
        num_support_per_class: int | None = None,
        num_query_per_class: int | None = None,
        random_state_seed: int = 0,
    ) -> None:
        self._sizes: dict[str, int] = dict(
            _named(
                num_samples_per_class,
                num_train_per_class,
                num_test_per_class,
                num_support_per_class,
                num_query_per_class,
            )
        )
        super().__init__(self._sizes, random_state_seed, shuffle)

    def sizes(self, available: int, fewest: int) -> dict[str, int]:
        needed = sum(self._sizes.values())
        if available < needed:
            raise DataError(
                f"ClassSplitter needs {needed} images of each class ({self._sizes}); a class has {available}"
            )
        return self._sizes


class WeightedClassSplitter_(_ClassSplitter):  # noqa: N801 - torchmeta's name
    """A share of every class's images for a part; see `WeightedClassSplitter`."""

    def __init__(
        self,
        shuffle: bool = True,
        min_num_samples: int | Mapping[str, int] | None = 1,
        max_num_samples: int | Mapping[str, int] | None = None,
        weights: Mapping[str, float] | None = None,
        train_weights: float | None = None,
        test_weights: float | None = None,
        support_weights: float | None = None,
        query_weights: float | None = None,
        force_equal_per_class: bool = False,
        random_state_seed: int = 0,
    ) -> None:
        named = _named(weights, train_weights, test_weights, support_weights, query_weights)
        super().__init__(named, random_state_seed, shuffle)
        if sum(named.values()) > 1:
            raise DataError(f"the weights of the parts, {dict(named)}, add up to more than 1; give shares of a class")
        self.force_equal_per_class = force_equal_per_class
        self.min_num_samples = self._for_each_part("min_num_samples", min_num_samples or 0)
        self.max_num_samples = None
        if max_num_samples is not None:
            self.max_num_samples = self._for_each_part("max_num_samples", max_num_samples)

    def _for_each_part(self, argument: str, number: int | Mapping[str, int]) -> dict[str, int]:
        if isinstance(number, int):
            return dict.fromkeys(self.splits, number)
        if not isinstance(number, Mapping):
            raise NotImplementedError(f"{argument} is an integer or a mapping, not {type(number).__name__}")
        return dict(number)

    def drawn_from(self, available: int, fewest: int) -> int:
        return fewest if self.force_equal_per_class else available

    def sizes(self, available: int, fewest: int) -> dict[str, int]:
        needed = sum(self.min_num_samples.values())
        if fewest < needed:
            raise DataError(f"WeightedClassSplitter needs {needed} images of each class; the smallest has {fewest}")
        shared = self.drawn_from(available, fewest)
        sizes = {name: max(self.min_num_samples[name], int(weight * shared)) for name, weight in self.splits.items()}
        if self.max_num_samples is None:
            return sizes
        return {name: min(self.max_num_samples[name], size) for name, size in sizes.items()}


def ClassSplitter(task: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - torchmeta's name
    """Splits tasks by fixed numbers of images a class: N-way K-shot tasks.

    Args:
        task: a task, to be split; a `MetaDataset`, all of whose tasks are to be; None for the splitter itself, to be
            given as a `dataset_transform`.
        shuffle: draw the images at random; else the first of each class.
        num_samples_per_class: parts by name with their number of images a class; instead of the following.
        num_train_per_class, num_test_per_class: of the parts `train` and `test`.
        num_support_per_class, num_query_per_class: of the parts `support` and `query`.
        random_state_seed: see `Splitter`.

    Raises:
        DataError: no part; and when a task is split whose class has too few images.
    """
    return apply_wrapper(ClassSplitter_(*args, **kwargs), task)


def WeightedClassSplitter(task: Any = None, *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - torchmeta's name
    """Splits tasks by shares of each class's images: tasks whose classes differ in size.

    Args:
        task: see `ClassSplitter`.
        shuffle: likewise.
        min_num_samples, max_num_samples: bounds of a part's images a class; one for all, or a mapping by part.
        weights: parts by name with their share of a class; instead of the following.
        train_weights, test_weights, support_weights, query_weights: of the part of that name.
        force_equal_per_class: take the share of the smallest class of every class.
        random_state_seed: see `Splitter`.

    Raises:
        DataError: no part, or weights above 1 together; and when a task is split whose class has too few images.
    """
    return apply_wrapper(WeightedClassSplitter_(*args, **kwargs), task)
