import itertools
import math
import random
import sys
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate
from torchvision.transforms import Compose, ToTensor

from episodes import DataError, Dataset
from episodes.torchmeta.datasets.bank_classes import BankClassDataset
from episodes.torchmeta.transforms import Categorical, ClassSplitter, Rotation
from episodes.torchmeta.utils import data
from episodes.torchmeta.utils.data.dataloader import BatchMetaCollate

Make = Callable[..., BankClassDataset]


class Numbers(data.Dataset):
    """Class c: ten vectors that begin with c."""

    def __init__(self, index: int, transform: Any, target_transform: Any) -> None:
        super().__init__(index, transform, target_transform)

    def __len__(self) -> int:
        return 10

    def __getitem__(self, item: int) -> tuple[Any, Any]:
        value: Any = np.array([self.index, item], dtype=np.float32)
        target: Any = f"class {self.index}"
        value = value if self.transform is None else self.transform(value)
        return value, target if self.target_transform is None else self.target_transform(target)


class NumberClasses(data.ClassDataset):
    """Written as torchmeta documents it: `__getitem__` and `num_classes`."""

    def __init__(self, classes: int = 6, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.labels = [f"class {number}" for number in range(classes)]

    @property
    def num_classes(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Numbers:
        return Numbers(index, self.get_transform(index), self.get_target_transform(index))


def test_class_datasets_of_ones_own_give_batches() -> None:
    dataset = data.CombinationMetaDataset(
        NumberClasses(meta_train=True),
        4,
        target_transform=Categorical(),
        dataset_transform=ClassSplitter(num_train_per_class=2, num_test_per_class=3),
    )
    batch = next(iter(data.BatchMetaDataLoader(dataset, batch_size=5)))
    inputs, targets = batch["train"]
    assert inputs.shape == (5, 8, 2)
    for values, labels in zip(inputs[..., 0].tolist(), targets.tolist(), strict=True):
        assert len(set(zip(values, labels, strict=True))) == len(set(values)) == len(set(labels)) == 4
    assert batch["test"][0].shape == (5, 12, 2)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "meta-split is undefined"),
        ({"meta_split": "validation"}, "unknown meta-split name 'validation'"),
        ({"meta_train": True, "meta_test": True}, "exactly one"),
    ],
)
@pytest.mark.parametrize("kind", [data.ClassDataset, data.MetaDataset])
def test_one_split_is_asked_for(kind: type[Any], flags: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**flags)


def test_a_flag_or_a_name_gives_the_split() -> None:
    assert data.ClassDataset(meta_val=True).meta_split == "val"
    assert data.MetaDataset(meta_split="test").meta_test


def test_a_name_beside_a_flag_says_what_is_read() -> None:
    """As in torchmeta, where the flags stay as they were given."""
    classes = NumberClasses(meta_train=True, meta_split="val")
    for one in (classes, data.MetaDataset(meta_train=True, meta_split="val"), data.CombinationMetaDataset(classes, 2)):
        assert (one.meta_split, one.meta_train, one.meta_val, one.meta_test) == ("val", True, False, False)


def test_a_transform_in_a_compose_of_ones_own_is_seeded() -> None:
    class Both(Compose):
        pass

    dataset = data.CombinationMetaDataset(NumberClasses(meta_train=True), 2)
    dataset.dataset_transform = Both([ClassSplitter(num_train_per_class=5)])
    first, again = (dataset.seed(7) or dataset[1, 2]["train"].indices for _ in range(2))
    assert first == again != dataset[1, 2]["train"].indices


def test_augmentations_are_further_classes() -> None:
    classes = NumberClasses(meta_train=True, class_augmentations=[Rotation([90, 180]), Rotation(270)])
    assert len(classes) == 4 * classes.num_classes == 24
    assert [classes.get_class_augmentation(6 * i + 2) for i in range(4)] == [
        None,
        Rotation(90),
        Rotation(180),
        Rotation(270),
    ]
    assert classes.get_target_transform(13)("x") == ("x", Rotation(180))
    assert classes.get_transform(3, len) is len
    assert isinstance(classes.get_transform(9, len), Compose)
    assert classes.get_transform(9) == Rotation(90)


def test_augmentations_that_cannot_be_are_said() -> None:
    with pytest.raises(TypeError, match="is a list, not Rotation"):
        NumberClasses(meta_train=True, class_augmentations=Rotation(90))
    with pytest.warns(UserWarning, match=r"Rotation\(90\) is there twice"):
        classes = NumberClasses(meta_train=True, class_augmentations=[Rotation([90, 180]), Rotation(90)])
    assert len(classes) == 18


def test_tasks_are_indexed_by_tuples_of_classes(toy_classes: Make, toy: Dataset) -> None:
    dataset = data.CombinationMetaDataset(toy_classes(transform=ToTensor()), 3)
    task = dataset[5, 0, 2]
    assert (len(task), task.num_classes, task.index) == (60, 3, (5, 0, 2))
    assert torch.equal(task[21][0], toy.train.images[1].float() / 255)
    assert task[21][1] == ("train0", 0)
    with pytest.raises(DataError, match=r"a tuple of 3 class numbers, such as \(0, 1, 2\); got 4"):
        dataset[4]
    with pytest.raises(DataError, match="got \\(1, 2\\)"):
        dataset[1, 2]


def test_ways_that_cannot_be_are_said(toy_classes: Make) -> None:
    with pytest.raises(DataError, match="tasks of 9 classes are not possible: the meta-train split has 8"):
        data.CombinationMetaDataset(toy_classes(), 9)
    with pytest.raises(TypeError, match="is an integer, not NoneType"):
        data.CombinationMetaDataset(toy_classes(), None)


def test_numbers_of_classes_are_a_tasks_own(toy_classes: Make) -> None:
    torch.manual_seed(0)
    dataset = data.CombinationMetaDataset(toy_classes(), 3, target_transform=Categorical(3))
    orders = set()
    for index in itertools.permutations(range(8), 3):
        task = dataset[index]
        numbers = tuple(task[start][1] for start in (0, 20, 40))
        assert sorted(numbers) == [0, 1, 2]
        assert [task[i][1] for i in range(60)] == np.repeat(numbers, 20).tolist()
        orders.add(numbers)
    assert len(orders) == 6


def test_default_targets_tell_augmentations_apart(toy_classes: Make) -> None:
    dataset = data.CombinationMetaDataset(toy_classes(class_augmentations=[Rotation([90, 180])]), 3)
    task = dataset[1, 9, 17]
    assert [task[start][1] for start in (0, 20, 40)] == [("train1", 0), ("train1", 1), ("train1", 2)]


def test_a_seed_repeats_what_is_sampled(toy_classes: Make) -> None:
    dataset = data.CombinationMetaDataset(toy_classes(), 3)
    ClassSplitter(dataset, num_train_per_class=2)

    def drawn() -> list[Any]:
        tasks = [dataset.sample_task()["train"] for _ in range(20)]
        return [(task.index, task.indices) for task in tasks]

    dataset.seed(3)
    first = drawn()
    dataset.seed(3)
    assert drawn() == first
    dataset.seed(4)
    assert drawn() != first
    assert all(len(set(index)) == 3 for index, _ in first)


def test_iteration_is_over_all_sets_of_classes(toy_classes: Make) -> None:
    dataset = data.CombinationMetaDataset(toy_classes(), 2)
    assert [task.index for task in dataset] == list(itertools.combinations(range(8), 2))
    assert len(dataset) == 28 == len(data.CombinationSequentialSampler(dataset))


def test_a_length_beyond_pythons_is_said(toy_classes: Make) -> None:
    dataset = data.CombinationMetaDataset(NumberClasses(200, meta_train=True), 20)
    assert math.comb(200, 20) > sys.maxsize
    with pytest.warns(UserWarning, match=r"C\(200, 20\)"):
        assert len(dataset) == sys.maxsize
    loader = data.BatchMetaDataLoader(dataset, batch_size=2)
    assert next(iter(loader))[0].shape == (2, 200, 2)


def test_samplers_draw_tuples_of_classes(toy_classes: Make) -> None:
    dataset = data.CombinationMetaDataset(toy_classes(), 3)
    assert list(data.CombinationSequentialSampler(dataset))[:2] == [(0, 1, 2), (0, 1, 3)]
    random.seed(0)
    drawn = list(data.CombinationRandomSampler(dataset))
    random.seed(0)
    assert list(data.CombinationRandomSampler(dataset)) == drawn
    assert len(drawn) == math.comb(8, 3)
    assert all(len(set(index)) == 3 for index in drawn)
    assert {number for index in drawn for number in index} == set(range(8))
    assert isinstance(data.CombinationRandomSampler(dataset), torch.utils.data.RandomSampler)
    assert isinstance(data.CombinationSequentialSampler(dataset), torch.utils.data.SequentialSampler)
    for sampler in (data.CombinationSequentialSampler, data.CombinationRandomSampler):
        with pytest.raises(TypeError, match="is a CombinationMetaDataset, not list"):
            sampler([])  # type: ignore[arg-type]


def test_a_meta_data_loader_gives_lists_of_tasks(toy_classes: Make) -> None:
    dataset = ClassSplitter(data.CombinationMetaDataset(toy_classes(), 3), num_train_per_class=1)
    batch = next(iter(data.MetaDataLoader(dataset, batch_size=5)))
    assert isinstance(batch, list)
    assert [type(task) for task in batch] == [OrderedDict] * 5
    assert isinstance(batch[0]["train"], data.SubsetTask)
    assert [task["train"].index for task in next(iter(data.MetaDataLoader(dataset, batch_size=2, shuffle=False)))] == [
        (0, 1, 2),
        (0, 1, 3),
    ]


class Counted(BatchMetaCollate):
    def collate_task(self, task: Any) -> Any:
        return {"images": torch.tensor(sum(len(part) for part in task.values()))}


def test_a_collate_task_of_ones_own_is_called_on_pictures_too(toy_classes: Make) -> None:
    dataset = ClassSplitter(data.CombinationMetaDataset(toy_classes(transform=ToTensor()), 3), num_train_per_class=4)
    loader = data.MetaDataLoader(dataset, batch_size=2, collate_fn=Counted(default_collate))
    assert next(iter(loader))["images"].tolist() == [12, 12]
    patched = BatchMetaCollate(default_collate)
    patched.collate_task = lambda task: torch.tensor(len(task))  # type: ignore[method-assign]
    assert next(iter(data.MetaDataLoader(dataset, batch_size=2, collate_fn=patched))).tolist() == [1, 1]


def test_all_images_as_one_dataset(toy_classes: Make, toy: Dataset) -> None:
    classes = toy_classes(transform=ToTensor(), class_augmentations=[Rotation(180)])
    wrapped = data.NonEpisodicWrapper(data.CombinationMetaDataset(classes, 3))
    assert (len(wrapped), wrapped.num_samples, wrapped.num_classes) == (320, 160, 16)
    images = torch.stack([wrapped[i][0] for i in range(160)])
    assert torch.equal(images, toy.train.images.float() / 255)
    assert [wrapped[i][1] for i in (0, 19, 20, 159, 160, 319)] == [
        ("train0", 0),
        ("train0", 0),
        ("train1", 0),
        ("train7", 0),
        ("train0", 1),
        ("train7", 1),
    ]
    assert torch.equal(wrapped[165][0], images[5].flip(1, 2))
    with pytest.raises(IndexError):
        wrapped[320]
    with pytest.raises(DataError, match="wraps a CombinationMetaDataset, not list"):
        data.NonEpisodicWrapper([])  # type: ignore[arg-type]


def test_all_images_with_numbers_for_classes(toy_classes: Make) -> None:
    wrapped = data.NonEpisodicWrapper(data.CombinationMetaDataset(toy_classes(), 3), target_transform=Categorical())
    assert [wrapped[i][1] for i in range(0, 160, 20)] == list(range(8))


def test_what_is_no_task_is_said() -> None:
    loader = data.BatchMetaDataLoader([[1, 2]], batch_size=1)
    with pytest.raises(NotImplementedError, match="a task is a Dataset or an OrderedDict of them, not list"):
        next(iter(loader))
