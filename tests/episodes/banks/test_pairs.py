from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, TensorDataset
from torchvision.datasets import FakeData
from torchvision.transforms import Normalize, ToTensor

from episodes import DataError, Dataset
from episodes.banks.pairs import Pairs, bank_from_pairs


def test_a_bank_goes_through_pairs_unchanged(toy: Dataset) -> None:
    again = bank_from_pairs("toy/test", Pairs(toy.test))
    assert torch.equal(again.images, toy.test.images)
    assert again.class_names == toy.test.class_names
    assert again.class_sizes == toy.test.class_sizes


def test_torch_loads_pairs(toy: Dataset) -> None:
    images, labels = next(iter(DataLoader(Pairs(toy.test), batch_size=50)))
    assert images.shape == (50, 1, 28, 28)
    assert images.dtype == torch.float32
    assert torch.equal((images * 255).round().to(torch.uint8), toy.test.images[:50])
    assert torch.equal(labels, toy.test.labels[:50])


def test_learn2learn_makes_tasks_of_a_bank_and_a_bank_of_its_dataset(toy: Dataset, learn2learn: Any) -> None:
    dataset = learn2learn.data.MetaDataset(Pairs(toy.test))
    transforms = learn2learn.data.transforms
    recipe = [transforms.NWays(dataset, 3), transforms.KShots(dataset, 4), transforms.LoadData(dataset)]
    images, labels = learn2learn.data.Taskset(dataset, recipe, num_tasks=-1).sample()
    assert images.shape == (12, 1, 28, 28)
    for image, label in zip(images, labels, strict=True):
        of_class = toy.test.images[toy.test.labels == label]
        assert (of_class == (image * 255).round()).flatten(1).all(1).any()
    bank = bank_from_pairs("back", dataset)
    assert torch.equal(bank.images, toy.test.images)


@pytest.mark.parametrize("transform", [None, ToTensor()])
def test_torchvisions_images_are_kept_as_they_are(transform: Any) -> None:
    fake = FakeData(size=30, image_size=(3, 17, 20), num_classes=4, transform=transform)
    bank = bank_from_pairs("fake", fake)
    first = [number for number in range(30) if int(fake[number][1]) == int(bank.class_names[0].removeprefix("class_"))]
    pixels = np.array(FakeData(size=30, image_size=(3, 17, 20), num_classes=4)[first[0]][0])
    assert np.array_equal(bank.images[0].permute(1, 2, 0).numpy(), pixels)
    assert sum(bank.class_sizes) == 30


def test_arrays_and_names_are_taken() -> None:
    pairs = [(np.full((5, 6), n, dtype=np.uint8), torch.tensor(n % 2)) for n in range(4)]
    bank = bank_from_pairs("arrays", pairs, class_names=["even", "odd"])
    assert bank.item_shape == (1, 5, 6)
    assert bank.class_names == ("even", "odd")
    assert bank.images[:, 0, 0, 0].tolist() == [0, 2, 1, 3]


@pytest.mark.parametrize("names", [{1: "odd", 0: "even"}, {"odd": 1, "even": 0}])
def test_names_in_a_dict_go_by_their_labels(names: dict[Any, Any]) -> None:
    pairs = [(np.full((5, 6), n, dtype=np.uint8), n % 2) for n in range(4)]
    assert bank_from_pairs("arrays", pairs, class_names=names).class_names == ("even", "odd")
    for wrong in ({1: "odd", 2: "even"}, {"odd": 0, "even": 0}, {"odd": 1.5, "even": 0}):
        with pytest.raises(DataError, match="the class names of 'arrays' are a dict without each label from 0 on"):
            bank_from_pairs("arrays", pairs, class_names=wrong)
    with pytest.raises(DataError, match="are a set, which has no order; give a list, in that of the labels"):
        bank_from_pairs("arrays", pairs, class_names={"odd", "even"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "'x' has no images; a bank needs at least one"),
        ([("picture", 0)], "image 0 of 'x' is a str; a bank takes PIL images"),
        ([(torch.zeros(2, 4, 4), 0)], r"image 0 of 'x' is a Tensor \[2, 4, 4\]"),
        (
            [(Image.new("L", (4, 4)), 0), (Image.new("L", (4, 5)), 0)],
            r"'x' has images of \[1, 4, 4\] and, at 1, of \[1, 5, 4\]",
        ),
        ([(Image.new("L", (4, 4)), -1)], "'x' has labels from -1 to -1; give whole numbers from 0 on"),
        (
            TensorDataset(Normalize([0.5], [0.5])(torch.rand(3, 1, 4, 4)) - 1, torch.zeros(3)),
            r"image 0 of 'x' has torch.float32 values from -.* leave out what normalises them",
        ),
    ],
)
def test_what_is_no_bank_is_refused(pairs: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        bank_from_pairs("x", pairs)
