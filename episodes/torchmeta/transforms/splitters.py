"""Splitters: transforms of a task into its parts, such as train (support) and test (query)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from episodes.errors import DataError
from episodes.torchmeta.transforms.utils import apply_wrapper
from episodes.torchmeta.utils.data.task import ConcatTask, SubsetTask, Task


class Splitter:
    """Makes of a task an OrderedDict of disjoint tasks. A subclass gives `sizes`.

    Which images of a class a part gets is decided by the task and `random_state_seed` alone; `seed` decides in which
    order they come.

    Args:
        splits: the name of each part, with its share of each class.
        random_state_seed: one seed for what is drawn of every task.
        shuffle: whether images are drawn at random; else the first of a class come first.
    """

    def __init__(self, splits: Mapping[str, float], random_state_seed: int, shuffle: bool = True) -> None:
        if not splits:
            raise DataError(
                "a splitter needs at least one part; give num_train_per_class, num_test_per_class or the like"
            )
        self.splits = OrderedDict(splits)
        self.random_state_seed = random_state_seed
        self.shuffle = shuffle
        self._of_task = np.random.RandomState(0)  # kept, since to seed one takes a fraction of the time to make one
        self.seed(random_state_seed)

    def seed(self, seed: int | None) -> None:
        """Begin anew the random order within each part."""
        self.np_random = np.random.RandomState(seed)

    def sizes(self, available: int, fewest: int) -> dict[str, int]:
        """How many images each part gets of a class that has `available`, where the smallest has `fewest`.

        Raises:
            DataError: there are too few.
        """
        raise NotImplementedError("a Splitter gives the sizes of its parts")

    def get_indices(self, task: Task) -> OrderedDict[str, list[int]]:
        """For each part the numbers of its images in the task, class by class.

        Raises:
            DataError: it is no task, a class has too few images, or the task has not as many classes as it says.
        """
        if not isinstance(task, Task):
            raise DataError(f"a splitter splits a Task or a ConcatTask, not {type(task).__name__}")
        classes = list(_classes(task))
        fewest = min((len(images) for _, images in classes), default=0)
        indices: OrderedDict[str, list[int]] = OrderedDict((name, []) for name in self.splits)
        for class_seed, images in classes:
            sizes = self.sizes(len(images), fewest)
            order = self._order(hash(task) + class_seed, len(images))
            start = 0
            for name, size in sizes.items():
                part = order[start : start + size]
                if self.shuffle:
                    part = self.np_random.permutation(part)
                indices[name].extend(images[part].tolist())
                start += size
        return indices

    def _order(self, seed: int, images: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        if not self.shuffle:
            return np.arange(images)
        self._of_task.seed((seed + self.random_state_seed) % 2**32)
        return self._of_task.permutation(images)

    def __call__(self, task: Task) -> OrderedDict[str, SubsetTask]:
        return OrderedDict((name, SubsetTask(task, indices)) for name, indices in self.get_indices(task).items())

    def __len__(self) -> int:
        return len(self.splits)


def _classes(task: Task) -> Iterator[tuple[int, np.ndarray[Any, np.dtype[np.int64]]]]:
    """A number that a class is known by, and its images' numbers in the task; a regression task is one class."""
    if isinstance(task, ConcatTask):
        start = 0
        for dataset in task.datasets:
            yield hash(dataset), np.arange(start, start + len(dataset))
            start += len(dataset)
    elif task.num_classes is None:
        yield 0, np.arange(len(task))
    else:
        of_class: dict[Any, list[int]] = {}
        for index in range(len(task)):
            item = task[index]
            if not isinstance(item, tuple) or len(item) < 2:
                raise DataError("to split a task by class, each of its items must be a tuple that ends in the target")
            of_class.setdefault(item[-1], []).append(index)
        if len(of_class) != task.num_classes:
            raise DataError(f"the task says it has {task.num_classes} classes; its items have {len(of_class)}")
        yield from ((number, np.array(images)) for number, images in enumerate(of_class.values()))


def _named(named: Mapping[str, Any] | None, train: Any, test: Any, support: Any, query: Any) -> Mapping[str, Any]:
    """The parts as a mapping: as given, or under the names of the arguments that are not None."""
    if named is not None:
        return named
    first = {"support": support} if train is None else {"train": train}
    second = {"query": query} if test is None else {"test": test}
    return {name: share for name, share in {**first, **second}.items() if share is not None}


class ClassSplitter_(Splitter):  # noqa: N801 - torchmeta's name
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


class WeightedClassSplitter_(Splitter):  # noqa: N801 - torchmeta's name
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
        self.min_num_samples = self._for_each_part(min_num_samples or 0)
        self.max_num_samples = None if max_num_samples is None else self._for_each_part(max_num_samples)

    def _for_each_part(self, number: int | Mapping[str, int]) -> dict[str, int]:
        return dict.fromkeys(self.splits, number) if isinstance(number, int) else dict(number)

    def sizes(self, available: int, fewest: int) -> dict[str, int]:
        needed = sum(self.min_num_samples.values())
        if fewest < needed:
            raise DataError(f"WeightedClassSplitter needs {needed} images of each class; the smallest has {fewest}")
        shared = fewest if self.force_equal_per_class else available
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
