"""Banks to and from datasets of (image, label) pairs: torch's, torchvision's, learn2learn's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from episodes.bank import ImageBank
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


def bank_from_pairs(name: str, pairs: PairSource, class_names: Sequence[str] | None = None) -> ImageBank:
    """All (image, label) pairs of a map-style dataset as a bank; each is read once.

    Args:
        name: for messages and records.
        pairs: images are PIL's, arrays `[H, W]` or `[H, W, C]` of uint8, or tensors `[C, H, W]` of uint8 or floats in
            [0, 1], all of one shape, C 1 or 3; labels are integers from 0 on, as such or as tensors.
        class_names: by label; None for the dataset's own `classes`, and without those `class_0`, `class_1`, ...

    Raises:
        DataError: no pairs, images of several shapes or kinds, floats out of range, or labels without a name.
    """
    images, labels = [], []
    for number in range(len(pairs)):
        image, label = pairs[number]
        images.append(_image(name, number, image))
        labels.append(int(label))
        if images[-1].shape != images[0].shape:
            raise DataError(
                f"'{name}' has images of {list(images[0].shape)} and, at {number}, of {list(images[-1].shape)}; "
                "give the dataset a transform that brings them to one shape"
            )
    if not images:
        raise DataError(f"'{name}' has no images; a bank needs at least one")
    names = class_names or getattr(pairs, "classes", None) or [f"class_{label}" for label in range(max(labels) + 1)]
    if min(labels) < 0 or max(labels) >= len(names):
        raise DataError(
            f"'{name}' has labels from {min(labels)} to {max(labels)}; there are {len(names)} class names, from 0 on"
        )
    texts = [str(each) for each in names]
    return ImageBank.from_labels(name, torch.stack(images), labels, texts, texts)


def _image(name: str, number: int, image: object) -> Tensor:
    """`[C, H, W]` uint8."""
    if isinstance(image, Image.Image):
        image = np.array(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    if isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim in (2, 3):
        image = torch.from_numpy(image if image.ndim == 3 else image[:, :, None]).permute(2, 0, 1)
    if not isinstance(image, Tensor) or image.ndim != 3 or image.shape[0] not in (1, 3):
        shape = f" {list(image.shape)}" if isinstance(image, Tensor | np.ndarray) else ""
        raise DataError(
            f"image {number} of '{name}' is a {type(image).__name__}{shape}; a bank takes PIL images, uint8 arrays "
            "[H, W, C], or tensors [C, H, W], C 1 or 3"
        )
    if image.dtype == torch.uint8:
        return image
    if not image.is_floating_point() or not bool(((image >= 0) & (image <= 1)).all()):
        raise DataError(
            f"image {number} of '{name}' has {image.dtype} values from {float(image.min()):.3g} to "
            f"{float(image.max()):.3g}; a bank takes uint8, or floats in [0, 1]: leave out what normalises them"
        )
    return (image * 255).round().to(torch.uint8)
