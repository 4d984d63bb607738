"""ImageBank: every image of one split in memory, sorted by class."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.bank import ItemBank, Kind
from episodes.banks.convert import convert
from episodes.errors import DataError


@dataclass(frozen=True, eq=False)
class ImageBank(ItemBank):
    """All images of a split as one uint8 tensor, the images of a class side by side.

    Attributes:
        name: the dataset and split, for messages and records, e.g. `glyphs/test`.
        images: `[M, C, H, W]` uint8, C 1 (grey) or 3 (RGB), sorted by class.
        class_names: one name per class, unique, in the order of the images.
        class_sizes: the number of images of each class, each at least 1; they add up to M.
        groups: one name per class for what it belongs to (alphabet, script, superclass); may repeat.
        held_out: of each class, how many of its last images are for queries alone; empty where any may be either.

    Raises:
        DataError: if the parts do not fit together.
    """

    kind: ClassVar[Kind] = "images"
    noun: ClassVar[str] = "images"

    name: str
    images: Tensor = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    class_sizes: tuple[int, ...] = field(repr=False)
    groups: tuple[str, ...] = field(repr=False)
    held_out: tuple[int, ...] = field(default=(), repr=False)
    _copies: dict[torch.device, Tensor] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or self.images.shape[1] not in (1, 3):
            raise DataError(
                f"bank '{self.name}' needs uint8 images [M, 1 or 3, H, W]; "
                f"found {self.images.dtype} {list(self.images.shape)}"
            )
        self.check_classes(len(self.images))

    @classmethod
    def from_labels(
        cls, name: str, images: Tensor, labels: Sequence[int], class_names: Sequence[str], groups: Sequence[str]
    ) -> ImageBank:
        """Sort `images` `[M, C, H, W]` with `labels` `[M]` (indices into `class_names`) into a bank.

        Classes without an image are left out.
        """
        label_array = np.asarray(labels, dtype=np.int64)
        sizes = np.bincount(label_array, minlength=len(class_names))
        order = torch.from_numpy(np.argsort(label_array, kind="stable"))
        present = [int(index) for index in np.flatnonzero(sizes)]
        return cls(
            name,
            images[order].contiguous(),
            tuple(class_names[i] for i in present),
            tuple(int(sizes[i]) for i in present),
            tuple(groups[i] for i in present),
        )

    @property
    def item_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def gather(self, rows: Tensor) -> Tensor:
        """The images of the given rows `[...]` int64, `[..., C, H, W]` uint8, on the device that the rows are on."""
        images = self._on(rows.device).index_select(0, rows.reshape(-1))
        return images.view(*rows.shape, *self.item_shape)

    def _on(self, device: torch.device) -> Tensor:
        """All images on a device: moved there once, so that the samplers of a bank share the copy."""
        if device not in self._copies:
            self._copies[device] = self.images.to(device)
        return self._copies[device]

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over pixels, shape, class names and groups; not over the bank's name."""
        digest = hashlib.blake2b(digest_size=16)
        header = (tuple(self.images.shape), self.class_names, self.class_sizes, self.groups, *self.held_out)
        digest.update(repr(header).encode())
        digest.update(self.images.contiguous().numpy().data)
        return digest.hexdigest()

    def item_digests(self) -> list[int]:
        shape = repr(self.item_shape).encode()  # so that images of other shapes never match
        return [_digest(shape, image) for image in self.images.numpy()]

    def select(self, name: str, classes: Sequence[int]) -> ImageBank:
        return ImageBank(
            name,
            self.images[torch.from_numpy(self.rows_of(classes))],
            tuple(self.class_names[c] for c in classes),
            tuple(self.class_sizes[c] for c in classes),
            tuple(self.groups[c] for c in classes),
            held_out=self.held_out_of(classes),
        )

    def at(self, name: str, rows: NDArray[np.int64]) -> ImageBank:
        return ImageBank(name, self.images[torch.from_numpy(rows)], self.class_names, self.sizes_at(rows), self.groups)

    def renamed(self, name: str, prefix: str = "") -> ImageBank:
        names, groups = (tuple(f"{prefix}{each}" for each in names) for names in (self.class_names, self.groups))
        return replace(self, name=name, class_names=names, groups=groups)

    def fitted(self, shape: tuple[int, ...]) -> ImageBank:
        """The images resized, and in colour or in grey, as `shape` (C, H, W) says (see `episodes.banks.convert`)."""
        if self.item_shape == shape:
            return self
        check_memory(self.name, (len(self.images), *shape))
        return replace(self, images=convert(self.images, shape[0], (shape[1], shape[2])))

    @classmethod
    def joined(cls, name: str, banks: Sequence[ImageBank]) -> ImageBank:
        return cls(
            name,
            torch.cat([bank.images for bank in banks]),
            tuple(class_name for bank in banks for class_name in bank.class_names),
            tuple(size for bank in banks for size in bank.class_sizes),
            tuple(group for bank in banks for group in bank.groups),
            held_out=tuple(held for bank in banks for held in bank.held_out),
        )

    def with_rotations(self) -> ImageBank:
        """Each class four times: as it is and turned by 90, 180 and 270 degrees, as classes of their own.

        Class augmentation of Santoro et al. 2016 (section 4.2), as used on Omniglot since Vinyals et al. 2016.

        Raises:
            DataError: if the images are not square.
        """
        if self.item_shape[1] != self.item_shape[2]:
            raise DataError(f"bank '{self.name}' has images of {self.item_shape[1:]}; rotations need square ones")
        turned = [torch.rot90(self.images, quarter, (2, 3)) for quarter in range(4)]
        suffixes = ("", "/rot090", "/rot180", "/rot270")
        return replace(
            self,
            images=torch.cat(turned),
            class_names=tuple(name + suffix for suffix in suffixes for name in self.class_names),
            class_sizes=self.class_sizes * 4,
            groups=self.groups * 4,
        )


def _digest(shape: bytes, image: NDArray[np.uint8]) -> int:
    """63 bits that tell images apart, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(shape + image.tobytes(), digest_size=8).digest()) >> 1


def check_memory(name: str, shape: Sequence[int]) -> None:
    """Raise DataError if uint8 images of that shape, `[M, C, H, W]`, are more than the memory that is free."""
    needed, free = math.prod(shape), psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"the {shape[0]:,} images of '{name}' take {needed / 1e9:,.1f} GB at {shape[2]} x {shape[3]}, and "
            f"{free / 1e9:,.1f} GB of memory is free; give a smaller --image-size"
        )
