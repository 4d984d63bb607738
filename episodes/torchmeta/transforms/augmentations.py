"""Class augmentations: transforms of every image of a class that make another class of it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as F


class Rotation:
    """Turned counter-clockwise by an angle, as a class of its own; by several angles, as several (Santoro et al. 2016).

    Args:
        angle: in degrees; a list gives one augmentation each, which iteration yields.
        resample: torchvision's interpolation; False is nearest neighbour.
        expand: whether the picture grows to hold all of the turned one.
        center: around what it turns, (x, y) from the upper left; None is the middle.
    """

    def __init__(
        self,
        angle: float | Sequence[float],
        resample: InterpolationMode | int | bool = False,
        expand: bool = False,
        center: Sequence[float] | None = None,
    ) -> None:
        self.angle = None if isinstance(angle, Sequence) else angle
        self._angles = list(angle) if isinstance(angle, Sequence) else [angle]
        self.resample = resample
        self.expand = expand
        self.center = center
        self._key = repr(self)
        if self.angle is not None and self.angle % 360 == 0:
            warnings.warn(
                f"a rotation by {angle} degrees as a class augmentation gives the same classes again", stacklevel=2
            )

    def __iter__(self) -> Iterator[Rotation]:
        return (Rotation(angle, self.resample, self.expand, self.center) for angle in self._angles)

    def __call__(self, image: Image.Image) -> Image.Image:
        if self.angle is None:
            raise ValueError(f"{self!r} has several angles; iterate over it for the rotations by each")
        background = [0] * len(image.getbands())
        turned: Image.Image = F.rotate(
            image, self.angle % 360, self.resample or InterpolationMode.NEAREST, self.expand, self.center, background
        )
        return turned

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rotation) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        return str(self) if self.angle is None else f"Rotation({self.angle % 360})"

    def __str__(self) -> str:
        return f"Rotation({', '.join(map(str, self._angles))})"


class HorizontalFlip:
    """Left and right exchanged, as a class of its own."""

    def __iter__(self) -> Iterator[HorizontalFlip]:
        return iter([self])

    def __call__(self, image: Any) -> Any:
        return F.hflip(image)

    def __repr__(self) -> str:
        return "HorizontalFlip()"


class VerticalFlip:
    """Top and bottom exchanged, as a class of its own."""

    def __iter__(self) -> Iterator[VerticalFlip]:
        return iter([self])

    def __call__(self, image: Any) -> Any:
        return F.vflip(image)

    def __repr__(self) -> str:
        return "VerticalFlip()"
