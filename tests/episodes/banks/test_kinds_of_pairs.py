"""Pairs (image, label) of every kind that people have: the right pictures and classes, or one line."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Dataset, IterableDataset, Subset, TensorDataset

from episodes import DataError
from episodes.banks.pairs import bank_from_pairs

GREY = torch.full((3, 16, 16), 100, dtype=torch.uint8)
DEEP = np.full((16, 16), 30_000, np.uint16)  # of 65,535: 30,000 / 257 = 117 of 255
CLEAR = (0, 0, 0, 0)


class Own(Dataset[Any]):
    def __init__(self, items: list[Any], **more: Any) -> None:
        self.items = items
        vars(self).update(more)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: int) -> Any:
        return self.items[number]


class Broken(Own):
    def __getitem__(self, number: int) -> Any:
        raise RuntimeError("the disk\nis gone")


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Any:
        yield GREY, 0


def labelled(label: Callable[[int], Any]) -> Own:
    return Own([(GREY, label(number)) for number in range(6)])


LABELS: dict[str, Callable[[int], Any]] = {
    "float": lambda number: float(number % 3),
    "numpy": lambda number: np.int64(number % 3),
    "numpy float": lambda number: np.float32(number % 3),
    "tensor": lambda number: torch.tensor(number % 3),
    "tensor of one": lambda number: torch.tensor([number % 3]),
    "bfloat16": lambda number: torch.tensor(number % 3, dtype=torch.bfloat16),
    "with a gradient": lambda number: torch.tensor(float(number % 3), requires_grad=True),
    "tuple of one": lambda number: (number % 3,),
}
NO_LABELS: dict[str, Any] = {
    **{"text": "cat", "digit": "1", "bytes": b"1", "half": 1.5, "nan": float("nan"), "infinite": float("inf")},
    **{
        "none": None,
        "dict": {"a": 1},
        "set": {1},
        "complex": 1j,
        "object": object(),
        "date": np.datetime64("2020-01-01"),
    },
    **{"one-hot": torch.eye(3)[0], "list": [3, 0, 0], "empty": [], "ragged": [[1], [1, 2]], "numpy text": np.str_("a")},
}
IMAGES: dict[str, tuple[Any, list[int], float]] = {  # with its shape and mean in the bank
    "16 bits": (Image.fromarray(DEEP), [1, 16, 16], 117),
    "16 bits, big-endian": (Image.frombytes("I;16B", (16, 16), DEEP.astype(">u2").tobytes()), [1, 16, 16], 117),
    "32 bits": (Image.fromarray(DEEP.astype(np.int32)), [1, 16, 16], 117),
    "RGBA": (Image.new("RGBA", (16, 16), CLEAR), [3, 16, 16], 255),
    "LA": (Image.new("LA", (16, 16), CLEAR[:2]), [3, 16, 16], 255),
    "PA": (Image.new("RGBA", (16, 16), CLEAR).convert("PA"), [3, 16, 16], 255),
    "two colours": (Image.new("1", (16, 16), 1), [3, 16, 16], 255),
    "CMYK": (Image.new("CMYK", (16, 16), CLEAR), [3, 16, 16], 255),
    "grey array": (np.full((16, 16), 7, np.uint8), [1, 16, 16], 7),
    "upside down": (np.full((16, 16, 3), 7, np.uint8)[::-1], [3, 16, 16], 7),
    "half": (torch.full((1, 16, 16), 0.5, dtype=torch.half), [1, 16, 16], 128),
    "with a gradient": (torch.full((1, 16, 16), 1.0, requires_grad=True), [1, 16, 16], 255),
}
TAKES, FLOATS = "a bank takes PIL images, uint8 arrays", "a bank takes uint8, or floats in"
NO_IMAGES: dict[str, tuple[Any, str]] = {
    "none": (None, TAKES),
    "path": ("a.png", TAKES),
    "bytes": (b"a", TAKES),
    "lists": ([[1, 2], [3, 4]], TAKES),
    "array of floats": (np.full((16, 16, 3), 0.5), TAKES),
    "array of 16 bits": (DEEP, TAKES),
    "array of int64": (np.full((16, 16, 3), 100), TAKES),
    "array of four channels": (np.zeros((16, 16, 4), np.uint8), TAKES),
    "channels first": (np.zeros((3, 16, 16), np.uint8), TAKES),
    "no pixels": (np.zeros((0, 0, 3), np.uint8), TAKES),
    "mask": (np.ones((16, 16), bool), TAKES),
    "flat tensor": (torch.zeros(16, 16), TAKES),
    "batch": (GREY[None], TAKES),
    "channels last": (torch.zeros(16, 16, 3), TAKES),
    "empty tensor": (torch.zeros(3, 0, 0), TAKES),
    "no memory": (torch.zeros(3, 16, 16, device="meta"), TAKES),
    "sparse": (torch.zeros(3, 16, 16).to_sparse(), TAKES),
    "int64": (torch.full((3, 16, 16), 100), FLOATS),
    "uint16": (torch.full((1, 16, 16), 30_000, dtype=torch.uint16), FLOATS),
    "bool": (torch.ones(1, 16, 16, dtype=torch.bool), FLOATS),
    "complex": (torch.zeros(3, 16, 16, dtype=torch.complex64), FLOATS),
    "normalised": (torch.full((3, 16, 16), -0.5), FLOATS),
    "up to 255": (torch.full((3, 16, 16), 255.0), FLOATS),
    "NaN": (torch.full((3, 16, 16), float("nan")), FLOATS),
    "picture of floats": (Image.fromarray(np.full((16, 16), np.nan, np.float32)), "image 0 of 'm' cannot be read"),
}
PAIRS = [(GREY, number % 3) for number in range(6)]
NO_PAIRS: dict[str, tuple[Any, str]] = {
    "triple": (Own([(GREY, 0, 1)]), "item 0 of 'm' is a tuple of 3; a bank takes pairs"),
    "tensors of three": (TensorDataset(GREY[None], torch.zeros(1), torch.zeros(1)), "is a tuple of 3"),
    "image alone": (Own([GREY]), "item 0 of 'm' is a Tensor; a bank takes pairs"),
    "dict": (Own([{"image": GREY, "label": 0}]), "item 0 of 'm' is a dict of 2"),
    "nothing": (Own([None]), "item 0 of 'm' is a NoneType"),
    "text": (Own(["ab"]), "item 0 of 'm' is a str"),
    "broken": (Broken([1]), "item 0 of 'm' cannot be read: RuntimeError: the disk is gone; repair it or leave it out"),
    "endless": (Endless(), "is a Endless without a length; give a map-style dataset"),
    "empty": (Own([]), "'m' has no images"),
    "shapes": (Own([(GREY, 0), (GREY[:, :8], 0)]), r"has images of \[3, 16, 16\] and, at 1, of \[3, 8, 16\]"),
    "negative": (labelled(lambda number: -1), "has labels from -1 to -1; give whole numbers from 0 on"),
    "few names": (Own(PAIRS, classes=["a"]), "has labels from 0 to 2; there are 1 class names"),
    "a name twice": (Own(PAIRS, classes=["a", "a", "b"]), "have 'a' twice; give each class a name of its own"),
    "an empty name": (Own(PAIRS, classes=["", "a", "b"]), "have an empty one; give each class a name of its own"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_whole_numbers_of_any_type_are_labels(kind: str) -> None:
    bank = bank_from_pairs("m", labelled(LABELS[kind]))
    assert bank.class_names == ("class_0", "class_1", "class_2")
    assert bank.class_sizes == (2, 2, 2)


def test_labels_may_be_as_large_as_ids_are() -> None:
    bank = bank_from_pairs("m", labelled(lambda number: 2**70 + number % 2))
    assert bank.class_names == (f"class_{2**70}", f"class_{2**70 + 1}")


@pytest.mark.parametrize("kind", NO_LABELS)
def test_what_is_no_label_is_refused(kind: str) -> None:
    with pytest.raises(
        DataError, match=r"label 0 of 'm' is a .*; a bank takes whole numbers from 0 on: give the dataset a"
    ):
        bank_from_pairs("m", labelled(lambda number: NO_LABELS[kind]))


@pytest.mark.parametrize("kind", IMAGES)
def test_a_picture_keeps_its_brightness(kind: str) -> None:
    image, shape, mean = IMAGES[kind]
    bank = bank_from_pairs("m", Own([(image, 0)] * 2))
    assert list(bank.images.shape) == [2, *shape]
    assert bank.images.double().mean() == mean


@pytest.mark.parametrize("kind", NO_IMAGES)
def test_what_is_no_image_is_refused(kind: str) -> None:
    image, message = NO_IMAGES[kind]
    with pytest.raises(DataError, match=message):
        bank_from_pairs("m", Own([(image, 0)] * 2))


@pytest.mark.parametrize("kind", NO_PAIRS)
def test_what_are_no_pairs_is_refused(kind: str) -> None:
    pairs, message = NO_PAIRS[kind]
    with pytest.raises(DataError, match=message):
        bank_from_pairs("m", pairs)


def test_a_picture_is_turned_as_its_exif_says() -> None:
    """Orientation 6: to be turned by a quarter, clockwise; what is stored at the left comes to the top."""
    stored, exif, file = Image.new("L", (24, 16)), Image.Exif(), io.BytesIO()
    stored.paste(255, (0, 0, 12, 16))
    exif[0x112] = 6
    stored.save(file, "png", exif=exif)
    bank = bank_from_pairs("m", Own([(Image.open(file), 0)]))
    assert list(bank.images.shape) == [1, 1, 24, 16]
    assert bank.images[0, 0, :12].min() == 255
    assert bank.images[0, 0, 12:].max() == 0


def test_class_names_are_found_behind_subsets_and_in_parts_that_agree() -> None:
    whole = Own(PAIRS, classes=["a", "b", "c"])
    for part in (Subset(Subset(whole, range(5)), range(4)), ConcatDataset([whole, Subset(whole, [0])])):
        assert bank_from_pairs("m", part).class_names == ("a", "b", "c")
    other = Own(PAIRS, classes=["x", "y", "z"])
    assert bank_from_pairs("m", ConcatDataset([whole, other])).class_names == ("class_0", "class_1", "class_2")
    assert bank_from_pairs("m", Own(PAIRS, classes=3)).class_names == ("class_0", "class_1", "class_2")
    assert bank_from_pairs("m", Own(PAIRS, classes={"p": 0, "q": 1, "r": 2})).class_names == ("p", "q", "r")
