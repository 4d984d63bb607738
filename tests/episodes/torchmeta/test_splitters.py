from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from episodes import DataError
from episodes.torchmeta.datasets.bank_classes import BankClassDataset
from episodes.torchmeta.toy import Sinusoid
from episodes.torchmeta.transforms import Categorical, ClassSplitter, Splitter, WeightedClassSplitter
from episodes.torchmeta.utils.data import CombinationMetaDataset, ConcatTask, SubsetTask, Task

Make = Callable[..., BankClassDataset]


class Labelled(Task):
    """A task whose images are numbers and whose targets are given."""

    def __init__(self, targets: list[int], num_classes: int, index: int = 0) -> None:
        super().__init__(index, num_classes)
        self.targets = targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[int, int]:
        return index, self.targets[index]


@pytest.fixture
def task(toy_classes: Make) -> Any:
    return CombinationMetaDataset(toy_classes(), 3, target_transform=Categorical())[1, 4, 6]


def test_parts_are_disjoint_and_of_the_sizes_asked_for(task: ConcatTask) -> None:
    parts = ClassSplitter(task, num_train_per_class=5, num_test_per_class=15)
    assert list(parts) == ["train", "test"]
    train, test = (set(part.indices) for part in parts.values())
    assert train | test == set(range(60))
    for part, size in zip(parts.values(), (5, 15), strict=True):
        assert part.num_classes == 3
        assert np.bincount(np.array(part.indices) // 20).tolist() == [size] * 3
        numbers = [task[start][1] for start in (0, 20, 40)]
        assert [part[i][1] for i in range(len(part))] == np.repeat(numbers, size).tolist()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"num_support_per_class": 2, "num_query_per_class": 3}, ["support", "query"]),
        ({"num_train_per_class": 2, "num_support_per_class": 4}, ["train"]),
        ({"num_samples_per_class": {"a": 1, "b": 2, "c": 3}}, ["a", "b", "c"]),
        ({"num_test_per_class": 4}, ["test"]),
    ],
)
def test_parts_have_the_names_asked_for(task: ConcatTask, arguments: dict[str, Any], names: list[str]) -> None:
    assert list(ClassSplitter(task, **arguments)) == names
    assert len(ClassSplitter(**arguments)) == len(names)


def test_without_shuffling_the_first_images_come_first(task: ConcatTask) -> None:
    parts = ClassSplitter(task, shuffle=False, num_train_per_class=2, num_test_per_class=3)
    assert parts["train"].indices == [0, 1, 20, 21, 40, 41]
    assert parts["test"].indices == [2, 3, 4, 22, 23, 24, 42, 43, 44]


def test_which_images_is_up_to_the_task_and_in_which_order_to_the_seed(task: ConcatTask, toy_classes: Make) -> None:
    splitter = ClassSplitter(num_train_per_class=6, num_test_per_class=4)
    splitter.seed(1)
    first = splitter(task)
    again = splitter(task)
    splitter.seed(1)
    assert splitter(task)["train"].indices == first["train"].indices != again["train"].indices
    assert {*first["train"].indices} == {*again["train"].indices}
    other_seed = ClassSplitter(num_train_per_class=6, num_test_per_class=4, random_state_seed=1)
    assert {*other_seed(task)["train"].indices} != {*first["train"].indices}
    other_task = CombinationMetaDataset(toy_classes(), 3)[4, 1, 6]
    ours, others = ({i for i in splitter(one)["train"].indices if i // 20 == 2} for one in (task, other_task))
    assert ours != others


def test_the_images_of_a_class_are_torchmetas(task: ConcatTask) -> None:
    """It permutes class c of a task by a generator seeded with hash(task) + hash(c) + random_state_seed."""
    parts = ClassSplitter(task, num_train_per_class=5, num_test_per_class=2, random_state_seed=3)
    order = np.random.RandomState((hash((1, 4, 6)) + hash(4) + 3) % 2**32).permutation(20)
    assert sorted(i - 20 for i in parts["train"].indices if i // 20 == 1) == sorted(order[:5])
    assert sorted(i - 20 for i in parts["test"].indices if i // 20 == 1) == sorted(order[5:7])


def test_a_task_that_is_no_concatenation_is_split_by_its_targets() -> None:
    parts = ClassSplitter(Labelled([7, 8, 7, 8, 8, 7], 2), num_train_per_class=1, num_test_per_class=2)
    for part, size in zip(parts.values(), (1, 2), strict=True):
        assert sorted(part[i][1] for i in range(len(part))) == [7] * size + [8] * size


def test_a_regression_task_is_one_class() -> None:
    parts = ClassSplitter(Sinusoid(10, num_tasks=5)[2], num_train_per_class=4, num_test_per_class=6)
    assert sorted(parts["train"].indices + parts["test"].indices) == list(range(10))
    assert len(parts["train"]) == 4


def test_a_meta_datasets_transforms_are_kept_when_it_gets_a_splitter(toy_classes: Make) -> None:
    met = []
    dataset = CombinationMetaDataset(toy_classes(), 2, dataset_transform=lambda task: met.append(task.index) or task)
    assert ClassSplitter(dataset, num_train_per_class=1) is dataset
    assert list(dataset[3, 5]) == ["train"]
    assert met == [(3, 5)]
    dataset.seed(4)
    first = dataset[3, 5]["train"].indices
    dataset.seed(4)
    assert dataset[3, 5]["train"].indices == first


def test_weights_are_shares_of_each_class() -> None:
    task = Labelled([0] * 10 + [1] * 40, 2)
    parts = WeightedClassSplitter(task, train_weights=0.2, test_weights=0.5)
    counts = {name: np.bincount([part[i][1] for i in range(len(part))]).tolist() for name, part in parts.items()}
    assert counts == {"train": [2, 8], "test": [5, 20]}
    assert not {*parts["train"].indices} & {*parts["test"].indices}


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        ({"min_num_samples": 3}, [3, 8]),
        ({"max_num_samples": 5}, [2, 5]),
        ({"max_num_samples": {"support": 4}, "min_num_samples": {"support": 1}}, [2, 4]),
        ({"force_equal_per_class": True}, [2, 2]),
    ],
)
def test_shares_are_bounded(arguments: dict[str, Any], sizes: list[int]) -> None:
    part = WeightedClassSplitter(Labelled([0] * 10 + [1] * 40, 2), weights={"support": 0.2}, **arguments)["support"]
    assert np.bincount([part[i][1] for i in range(len(part))]).tolist() == sizes


def test_weights_of_classes_that_are_concatenated(task: ConcatTask) -> None:
    parts = WeightedClassSplitter(task, support_weights=0.25, query_weights=0.75)
    assert sorted(parts["support"].indices + parts["query"].indices) == list(range(60))


def test_equal_shares_are_drawn_from_as_many_of_each_class_as_the_smallest_has() -> None:
    """As torchmeta: of the first ten, by a generator seeded with hash(task) + the class's number + the seed."""
    task = Labelled([0] * 10 + [1] * 40, 2, index=5)
    part = WeightedClassSplitter(task, train_weights=0.4, force_equal_per_class=True, random_state_seed=3)["train"]
    expected = [10 * c + i for c in (0, 1) for i in sorted(np.random.RandomState(5 + c + 3).permutation(10)[:4])]
    assert sorted(part.indices) == expected


class EachThird(Splitter):
    """Written as torchmeta documents it."""

    def get_indices_concattask(self, task: ConcatTask) -> dict[str, list[int]]:
        order = self.np_random.permutation(len(task)).tolist()
        return {name: order[offset::3] for name, offset in self.splits.items()}


def test_splitters_of_ones_own_say_which_images(task: ConcatTask) -> None:
    parts = EachThird({"a": 0, "c": 2}, random_state_seed=4)(task)
    order = np.random.RandomState(4).permutation(60).tolist()
    assert {name: part.indices for name, part in parts.items()} == {"a": order[::3], "c": order[2::3]}


def test_the_indices_may_be_asked_for(task: ConcatTask) -> None:
    splitter = ClassSplitter(shuffle=False, num_train_per_class=1)
    assert splitter.get_indices_concattask(task) == splitter.get_indices(task) == {"train": [0, 20, 40]}
    assert splitter.get_indices_task(Labelled([7, 8, 7], 2)) == {"train": [0, 1]}


def test_what_cannot_be_split_is_said(task: ConcatTask) -> None:
    with pytest.raises(DataError, match=r"needs 25 images of each class .* a class has 20"):
        ClassSplitter(task, num_train_per_class=5, num_test_per_class=20)
    with pytest.raises(DataError, match="needs 30 images of each class; the smallest has 20"):
        WeightedClassSplitter(task, train_weights=0.1, min_num_samples=30)
    with pytest.raises(DataError, match="add up to more than 1"):
        WeightedClassSplitter(train_weights=0.6, test_weights=0.5)
    with pytest.raises(DataError, match="at least one part"):
        ClassSplitter(task)
    with pytest.raises(DataError, match="says it has 3 classes; its items have 2"):
        ClassSplitter(Labelled([0, 1, 0, 1], 3), num_train_per_class=1)
    with pytest.raises(DataError, match="splits a Task or a ConcatTask, not list"):
        ClassSplitter(num_train_per_class=1)([1, 2])
    with pytest.raises(NotImplementedError, match="takes a Task or a MetaDataset, not list"):
        ClassSplitter([1, 2], num_train_per_class=1)
    with pytest.raises(NotImplementedError, match="max_num_samples is an integer or a mapping, not float"):
        WeightedClassSplitter(train_weights=0.5, max_num_samples=2.5)
    with pytest.raises(NotImplementedError, match="Splitter has no get_indices_concattask"):
        Splitter({"train": 1}, 0)(task)
    with pytest.raises(NotImplementedError, match="Splitter has no get_indices_task"):
        Splitter({"train": 1}, 0)(Labelled([0, 1], 2))


def test_a_subset_has_the_classes_of_its_task(task: ConcatTask) -> None:
    assert SubsetTask(task, [1, 2]).num_classes == 3
    assert SubsetTask(task, [1, 2], num_classes=1).num_classes == 1
    assert hash(SubsetTask(task, [1, 2])) == hash(SubsetTask(task, [1, 2])) != hash(SubsetTask(task, [2, 1]))
