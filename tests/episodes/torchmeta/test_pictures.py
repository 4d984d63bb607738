"""A batch gathered from one tensor is the batch of the items that torchmeta reads one by one."""

import itertools
import random
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import ImageOps
from torch import Tensor
from torchvision.transforms import (
    CenterCrop,
    Compose,
    Grayscale,
    Lambda,
    Normalize,
    Pad,
    RandomHorizontalFlip,
    RandomRotation,
    Resize,
    ToTensor,
)

from episodes import Dataset
from episodes.torchmeta.datasets.bank_classes import BankClassDataset
from episodes.torchmeta.transforms import Categorical, ClassSplitter, HorizontalFlip, Rotation, VerticalFlip
from episodes.torchmeta.utils.data import BatchMetaDataLoader, CombinationMetaDataset, SubsetTask

Make = Callable[..., BankClassDataset]
KNOWN: dict[str, Any] = {
    "to tensor": ToTensor(),
    "no change of size": Compose([Resize(28), ToTensor()]),
    "resize": Compose([Resize(17), ToTensor()]),
    "nested": Compose([Compose([Resize((20, 24)), CenterCrop(16)]), ToTensor()]),
    "channels, pad": Compose([Grayscale(3), Pad(2), ToTensor()]),
    "normalize": Compose([ToTensor(), Normalize([0.5], [0.25])]),
}
AUGMENTATIONS = [Rotation([90, 30]), HorizontalFlip(), VerticalFlip()]


def tasks(classes: BankClassDataset, target_transform: Any = None) -> CombinationMetaDataset:
    dataset = CombinationMetaDataset(classes, 3, target_transform=target_transform or Categorical())
    ClassSplitter(dataset, num_train_per_class=2, num_test_per_class=4)
    dataset.seed(0)
    return dataset


def first_batches(dataset: Any, count: int = 3, **loading: Any) -> list[Any]:
    random.seed(5)
    torch.manual_seed(5)
    return list(itertools.islice(BatchMetaDataLoader(dataset, batch_size=4, **loading), count))


def item_by_item(dataset: CombinationMetaDataset, count: int = 3) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """The same batches by nothing but indexing."""
    random.seed(5)
    torch.manual_seed(5)
    torch.empty((), dtype=torch.int64).random_()  # a loader draws its workers' seed first
    batches = []
    for _ in range(count):
        drawn = [dataset[tuple(random.sample(range(len(dataset.dataset)), 3))] for _ in range(4)]
        items = [{name: [part[i] for i in range(len(part))] for name, part in task.items()} for task in drawn]
        batches.append(
            {
                name: (
                    torch.stack([torch.stack([image for image, _ in task[name]]) for task in items]),
                    torch.tensor([[target for _, target in task[name]] for task in items]),
                )
                for name in ("train", "test")
            }
        )
    return batches


def assert_same(left: list[Any], right: list[Any]) -> None:
    for one, other in zip(left, right, strict=True):
        assert list(one) == list(other) == ["train", "test"]
        for name in one:
            for tensor, expected in zip(one[name], other[name], strict=True):
                assert tensor.dtype == expected.dtype
                assert torch.equal(tensor, expected)


@pytest.mark.parametrize("augmentations", [None, AUGMENTATIONS], ids=["upright", "augmented"])
@pytest.mark.parametrize("name", KNOWN)
def test_known_transforms_are_gathered(toy_classes: Make, name: str, augmentations: Any) -> None:
    classes = toy_classes(transform=KNOWN[name], class_augmentations=augmentations)
    assert classes.pictures is not None
    assert_same(first_batches(tasks(classes)), item_by_item(tasks(classes)))


def test_batches_have_torchmetas_layout(toy_classes: Make) -> None:
    batch = first_batches(tasks(toy_classes(transform=ToTensor())), 1)[0]
    assert [tuple(part.shape) for part in batch["train"]] == [(4, 6, 1, 28, 28), (4, 6)]
    assert [tuple(part.shape) for part in batch["test"]] == [(4, 12, 1, 28, 28), (4, 12)]
    assert [part.dtype for part in batch["train"]] == [torch.float32, torch.int64]
    for targets in (batch["train"][1], batch["test"][1]):
        assert all(sorted(set(of_task)) == [0, 1, 2] for of_task in targets.tolist())


@pytest.mark.parametrize(
    "transform",
    [
        Compose([RandomHorizontalFlip(), ToTensor()]),
        Compose([Lambda(ImageOps.invert), ToTensor()]),
        Compose([ToTensor(), Lambda(lambda image: image * 2)]),
        lambda picture: torch.from_numpy(np.array(picture)),
    ],
    ids=["random", "lambda on pictures", "lambda on tensors", "function"],
)
def test_other_transforms_are_applied_to_each_picture(toy_classes: Make, transform: Any) -> None:
    classes = toy_classes(transform=transform)
    assert classes.pictures is None
    assert_same(first_batches(tasks(classes)), item_by_item(tasks(classes)))


def test_pictures_that_do_not_fit_in_memory_are_read_one_by_one(
    toy_classes: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    transform = Compose([Resize(20), ToTensor()])
    expected = item_by_item(tasks(toy_classes(transform=transform)))
    free = psutil.virtual_memory()._replace(available=8 * 20 * 20 * 20 - 1)  # a byte less than they take
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    classes = toy_classes(transform=transform)
    assert classes.pictures is None
    assert_same(first_batches(tasks(classes)), expected)
    assert toy_classes(transform=ToTensor()).pictures is not None  # those of the bank itself


def test_an_augmentation_of_ones_own_is_applied_to_each_picture(toy_classes: Make) -> None:
    classes = toy_classes(transform=ToTensor(), class_augmentations=[[ImageOps.invert]])
    assert classes.pictures is None
    image = classes[8][3][0]
    assert torch.allclose(image, 1 - classes[0][3][0])


def test_rotations_that_make_pictures_larger_are_applied_to_each(toy_classes: Make) -> None:
    classes = toy_classes(
        transform=Compose([CenterCrop(40), ToTensor()]), class_augmentations=[Rotation(45, expand=True)]
    )
    assert classes.pictures is None
    assert_same(first_batches(tasks(classes)), item_by_item(tasks(classes)))


def test_classes_are_numbered_in_the_order_in_which_they_are_met(toy_classes: Make) -> None:
    dataset = tasks(toy_classes(transform=ToTensor()))
    dataset.dataset_transform = lambda task: OrderedDict(
        train=SubsetTask(task, [45, 3, 21, 4]), test=SubsetTask(task, [22, 1, 59])
    )
    assert_same(first_batches(dataset), item_by_item(dataset))


def test_random_transforms_are_drawn_anew(toy_classes: Make) -> None:
    dataset = tasks(toy_classes(transform=Compose([RandomRotation(180), ToTensor()])))
    first, second = (dataset[0, 1, 2]["train"][0][0] for _ in range(2))
    assert not torch.equal(first, second)


def test_a_transform_that_is_changed_takes_effect(toy_classes: Make) -> None:
    classes = toy_classes(transform=ToTensor())
    dataset = tasks(classes)
    assert first_batches(dataset, 1)[0]["train"][0].shape[-1] == 28
    classes.transform = Compose([Resize(20), ToTensor()])
    assert first_batches(dataset, 1)[0]["train"][0].shape[-1] == 20


def test_a_transform_that_is_changed_for_one_class_takes_effect(toy_classes: Make) -> None:
    dataset = tasks(toy_classes(transform=ToTensor()))

    def darken(task: Any) -> Any:
        task.datasets[0].transform = Compose([ToTensor(), Lambda(torch.zeros_like)])
        return task

    dataset.dataset_transform = Compose([darken, dataset.dataset_transform])
    inputs = first_batches(dataset, 1)[0]["train"][0]
    assert (inputs[:, :2] == 0).all()
    assert (inputs[:, 2:].amax((1, 2, 3, 4)) > 0).all()


def test_tasks_of_unlike_parts_are_refused_as_by_torch(toy_classes: Make) -> None:
    dataset = tasks(toy_classes(transform=ToTensor()))
    sizes = itertools.cycle([1, 2])
    dataset.dataset_transform = lambda task: ClassSplitter(task, num_train_per_class=next(sizes))
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        first_batches(dataset, 1)


def test_without_a_splitter_a_batch_is_all_images_of_the_classes(toy_classes: Make, toy: Dataset) -> None:
    classes = toy_classes(transform=ToTensor())
    dataset = CombinationMetaDataset(classes, 2)
    loader = BatchMetaDataLoader(dataset, batch_size=2, shuffle=False)
    inputs, (names, augmentations) = next(iter(loader))
    expected = toy.train.images[:40].float() / 255
    assert torch.equal(inputs[0], expected)
    assert [name[0] for name in names] == ["train0"] * 20 + ["train1"] * 20
    assert augmentations.shape == (2, 40)
    assert not augmentations.any()


def test_a_target_transform_of_ones_own_is_called_for_each_image(toy_classes: Make) -> None:
    calls = itertools.count()
    classes = toy_classes(transform=ToTensor())
    batch = first_batches(tasks(classes, lambda target: next(calls)), 1)[0]
    order = [batch[name][1][task].tolist() for task in range(4) for name in ("train", "test")]
    assert list(itertools.chain(*order)) == list(range(4 * 18))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_workers_give_the_same_and_share_what_they_make(toy_classes: Make) -> None:
    classes = toy_classes(transform=Compose([Resize(20), ToTensor()]))
    dataset = tasks(classes)
    assert classes.pictures is not None
    made = classes.pictures.images
    assert not made.any()
    loaded = first_batches(dataset, num_workers=1)
    assert made.any()
    for batch, expected in zip(loaded, item_by_item(tasks(classes)), strict=True):
        for name in ("train", "test"):
            assert torch.equal(batch[name][0], expected[name][0])  # a worker numbers the classes by its own seed
