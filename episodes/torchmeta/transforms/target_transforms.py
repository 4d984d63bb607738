"""What makes a task's targets of class names, and what reads a picture with its mask."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from PIL import Image
from torch import Tensor
from torchvision.transforms import Compose, InterpolationMode, Resize, ToTensor


class TargetTransform:
    """Base of the transforms that take a target: the pair of a class's name and its augmentation (or None)."""

    def __call__(self, target: Any) -> Any:
        raise NotImplementedError

    def __repr__(self) -> str:
        return type(self).__name__


class DefaultTargetTransform(TargetTransform):
    """The augmentation as a number, 0 for none: what a batch can hold beside the class's name.

    Args:
        class_augmentations: the dataset's, in its order.
    """

    def __init__(self, class_augmentations: Iterable[Hashable]) -> None:
        self.class_augmentations = list(class_augmentations)
        self._numbers: dict[Hashable, int] = {None: 0}
        self._numbers.update((augmentation, i) for i, augmentation in enumerate(self.class_augmentations, start=1))

    def __call__(self, target: tuple[Any, Hashable]) -> tuple[Any, int]:
        name, augmentation = target
        return name, self._numbers[augmentation]


class SegmentationPairTransform:
    """A picture and its mask as tensors `[C, size, size]`; the mask keeps its values (nearest neighbour)."""

    def __init__(self, target_size: int) -> None:
        size = (target_size, target_size)
        self.image_transform = Compose([Resize(size), ToTensor()])
        self.mask_transform = Compose([Resize(size, interpolation=InterpolationMode.NEAREST), ToTensor()])

    def __call__(self, image: Image.Image, mask: Image.Image) -> tuple[Tensor, Tensor]:
        return self.image_transform(image), self.mask_transform(mask)
