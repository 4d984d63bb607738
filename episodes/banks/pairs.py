"""Banks to and from datasets of (image, label) pairs: torch's, torchvision's, learn2learn's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset, Subset

from episodes.banks.images import ImageBank
from episodes.banks.pixels import flat
from episodes.episode import to_float
from episodes.errors import DataError


class PairSource(Protocol):
    """What a map-style dataset of (image, label) pairs offers."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Any: ...


class Pairs(Dataset[tuple[Tensor, int]]):
    """A bank as a dataset of pairs: `[C, H, W]` float32 in [0, 1] and the class's number.

    torch's DataLoader takes it, and `learn2learn.data.MetaDataset(Pairs(bank))` makes learn2learn's tasks of it.
    """

    def __init__(self, bank: ImageBank) -> None:
        self.bank = bank
        self.classes = list(bank.class_names)

    def __len__(self) -> int:
        return len(self.bank.images)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        return to_float(self.bank.images[number]), int(self.bank.labels[number])


ClassNames = Sequence[str] | Mapping[Any, Any]  # by label; or labels by name


def bank_from_pairs(name: str, pairs: PairSource, class_names: ClassNames | None = None) -> ImageBank:
    """All (image, label) pairs of a map-style dataset as a bank; each is read once.

    Args:
        name: for messages and records.
        pairs: images are PIL's, arrays `[H, W]` or `[H, W, C]` of uint8, or tensors `[C, H, W]` of uint8 or floats in
            [0, 1], all of one shape, C 1 or 3; labels are whole numbers from 0 on, as such or as tensors. Pictures of
            PIL are turned as their EXIF says, and transparent ones and those of 16 bits become plain ones of 8 (see
            `episodes.banks.pixels.flat`).
        class_names: by label, as a list, or a dict from labels to names or the other way; None for the dataset's own
            `classes` (those of the whole where it is a Subset), and without those `class_0`, `class_1`, ...

    Raises:
        DataError: no pairs, items that cannot be read, images of several shapes or kinds, floats out of range, labels
            that are not such numbers or have no name, or names that are empty or there twice.
    """
    images, labels = [], []
    for number in range(_count(name, pairs)):
        image, label = _pair(name, number, pairs)
        images.append(_image(name, number, image))
        labels.append(_label(name, number, label))
        if images[-1].shape != images[0].shape:
            raise DataError(
                f"'{name}' has images of {list(images[0].shape)} and, at {number}, of {list(images[-1].shape)}; "
                "give the dataset a transform that brings them to one shape"
            )
    if not images:
        raise DataError(f"'{name}' has no images; a bank needs at least one")
    if min(labels) < 0:
        raise DataError(f"'{name}' has labels from {min(labels)} to {max(labels)}; give whole numbers from 0 on")
    names = _names(name, _own_names(pairs) if class_names is None else class_names)
    if not names:
        known = sorted(set(labels))
        names, labels = [f"class_{label}" for label in known], [known.index(label) for label in labels]
    if max(labels) >= len(names):
        raise DataError(
            f"'{name}' has labels from {min(labels)} to {max(labels)}; there are {len(names)} class names, from 0 on"
        )
    return ImageBank.from_labels(name, torch.stack(images), labels, names, names)


def _own_names(pairs: Any) -> object:
    while isinstance(pairs, Subset):
        pairs = pairs.dataset
    if isinstance(pairs, ConcatDataset):  # known where all its parts agree
        of_parts = [_own_names(part) for part in pairs.datasets]
        return of_parts[0] if all(each == of_parts[0] for each in of_parts) else None
    return getattr(pairs, "classes", None)


def _names(name: str, given: object) -> list[str]:
    if isinstance(given, Mapping):
        given = _by_label(name, given)
    if isinstance(given, Set):
        raise DataError(
            f"the class names of '{name}' are a set, which has no order; give a list, in that of the labels"
        )
    if isinstance(given, str) or not isinstance(given, Iterable):
        return []
    names = [str(each) for each in given]
    for each in names:
        if not each.strip() or names.count(each) > 1:
            what = f"'{each}' twice" if each.strip() else "an empty one"
            raise DataError(f"the class names of '{name}' have {what}; give each class a name of its own")
    return names


def _by_label(name: str, given: Mapping[Any, Any]) -> list[Any]:
    """Class names in the order of labels, from names by label or labels by name."""
    swapped = not all(isinstance(each, int) for each in given)
    names = {label: each for each, label in given.items()} if swapped else dict(given)
    if len(names) != len(given) or set(names) != set(range(len(names))):
        raise DataError(f"the class names of '{name}' are a dict without each label from 0 on; give a list of them")
    return [names[label] for label in range(len(names))]


def _count(name: str, pairs: PairSource) -> int:
    try:
        return len(pairs)
    except TypeError:
        raise DataError(f"'{name}' is a {type(pairs).__name__} without a length; give a map-style dataset") from None


def _pair(name: str, number: int, pairs: PairSource) -> tuple[Any, Any]:
    try:
        pair = pairs[number]
    except Exception as error:  # the dataset's own code, which may raise anything
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(f"item {number} of '{name}' cannot be read: {what}; repair it or leave it out") from error
    if isinstance(pair, (tuple, list)) and len(pair) == 2:
        return pair[0], pair[1]
    parts = f" of {len(pair)}" if isinstance(pair, (tuple, list, dict)) else ""
    raise DataError(f"item {number} of '{name}' is a {type(pair).__name__}{parts}; a bank takes pairs (image, label)")


def _label(name: str, number: int, label: Any) -> int:
    if isinstance(label, int):  # of any size
        return int(label)
    try:
        values = np.asarray(label.tolist() if isinstance(label, Tensor) else label)
        if values.size == 1 and values.dtype.kind in "biuf" and float(values.item()).is_integer():
            return int(values.item())
        shape = f" of shape {list(values.shape)}" if values.ndim else f" {values.item()!r:.40}"
    except (TypeError, ValueError, RuntimeError):  # what numpy makes no array of
        shape = ""
    raise DataError(
        f"label {number} of '{name}' is a {type(label).__name__}{shape}; a bank takes whole numbers from 0 on: "
        "give the dataset a target_transform, such as the index of a text, or int(y.argmax()) of a one-hot y"
    )


def _pixels(name: str, number: int, picture: Image.Image) -> NDArray[np.uint8]:
    """Grey `[H, W]` or colour `[H, W, 3]`."""
    try:
        plain = flat(ImageOps.exif_transpose(picture))
        return np.array(plain if plain.mode in ("L", "RGB") else plain.convert("RGB"))
    except (OSError, ValueError) as error:
        raise DataError(f"image {number} of '{name}' cannot be read: {error}; repair it or leave it out") from None


def _image(name: str, number: int, image: object) -> Tensor:
    """`[C, H, W]` uint8."""
    if isinstance(image, Image.Image):
        image = _pixels(name, number, image)
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3) and image.size:
        image = torch.from_numpy(np.ascontiguousarray(image.reshape(*image.shape[:2], -1))).permute(2, 0, 1)
    whole = isinstance(image, Tensor) and image.layout == torch.strided and not image.is_meta
    if (
        not isinstance(image, Tensor)
        or not whole
        or image.ndim != 3
        or image.shape[0] not in (1, 3)
        or not image.numel()
    ):
        shape = f" {list(image.shape)}" if isinstance(image, Tensor | np.ndarray) else ""
        raise DataError(
            f"image {number} of '{name}' is a {type(image).__name__}{shape}; a bank takes PIL images, uint8 arrays "
            "[H, W, C], or tensors [C, H, W], C 1 or 3"
        )
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point() or not bool(((image >= 0) & (image <= 1)).all()):
        ends = "" if image.is_complex() else f" from {image.double().min():.3g} to {image.double().max():.3g}"
        raise DataError(
            f"image {number} of '{name}' has {image.dtype} values{ends}; a bank takes uint8, or floats in [0, 1]: "
            "leave out what normalises them"
        )
    return (image.detach() * 255).round().to(torch.uint8)
