"""Random views of pictures: parts of them, mirrored or not, in other colours; batched, on the pictures' own device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from episodes.banks.convert import LUMA
from metabench.learner import option
from metabench.objective import PictureOptions, Shape

Share = Annotated[float, Field(gt=0, le=1)]

RATIO = 3 / 4  # a crop's sides differ by at most that, as shares of the picture's sides
RECOLOURED, GREY = 0.8, 0.2  # how many pictures get other colours, and lose them
# From red, green and blue to lightness, and to two axes of colour, in which hue is an angle (the NTSC's YIQ).
YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class CropOptions(PictureOptions):
    """The options of objectives whose views are parts of pictures."""

    flip: bool | None = option(None, "mirror one view in two; none: those of colour pictures alone")


@dataclass(frozen=True)
class ViewOptions(CropOptions):
    """The same where views differ in colour, too."""

    colour: Annotated[float, Field(ge=0, le=1)] = option(0.5, "how much the colours of views differ, up to 1")


def flips(options: CropOptions, shape: Shape) -> bool:
    """Whether views are mirrored: as asked, else where pictures have colour, since characters are not symmetric."""
    return shape[0] == 3 if options.flip is None else options.flip


def crops(images: Tensor, areas: tuple[float, float], flip: bool, size: tuple[int, int] | None = None) -> Tensor:
    """A part of each picture `[n, C, H, W]`, resized by bilinear interpolation to `size`, or to (H, W).

    Its share of the area is uniform between `areas`, the logarithm of the ratio of its sides between those of 3/4 and
    4/3, and its place is uniform (Szegedy et al. 2015, section 6). With `flip` one in two is mirrored.

    Differs from the paper: a side that would be longer than the picture is cut to it.
    """
    count, device = len(images), images.device
    area, ratio = _uniform(count, *areas, device), _uniform(count, math.log(RATIO), -math.log(RATIO), device).exp()
    height, width = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
    mirrored = torch.where(torch.rand(count, device=device) < 0.5 * flip, -1.0, 1.0)
    # The picture reaches from -1 to 1 in both directions; a view's place says which point is in its middle.
    places = torch.zeros(count, 2, 3, device=device)
    places[:, 0, 0], places[:, 1, 1] = width * mirrored, height
    places[:, 0, 2] = (1 - width) * _uniform(count, -1, 1, device)
    places[:, 1, 2] = (1 - height) * _uniform(count, -1, 1, device)
    with _all_digits(device):
        grid = F.affine_grid(places, [count, images.shape[1], *(size or images.shape[2:])], align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def recoloured(images: Tensor, strength: float) -> Tensor:
    """Colour pictures `[n, 3, H, W]` in [0, 1] in other colours; grey ones stay as they are.

    Chen et al. 2020, appendix A: 80% get another brightness, contrast, saturation and hue, of which the first three
    differ by a factor of up to 1 ± 0.8 `strength`, and hue by up to 0.2 `strength` of the circle; then 20% become grey.

    Differs from the paper: the order is fixed, and hue and saturation change in YIQ, where they are linear, in place of
    HSV. There is no blur, as in the paper's experiments with small pictures (appendix B.9).
    """
    if images.shape[1] != 3:
        return images
    count, device = len(images), images.device
    factors = _uniform(3 * count, 1 - 0.8 * strength, 1 + 0.8 * strength, device).view(3, count, 1, 1, 1)
    turn = 2 * math.pi * _uniform(count, -0.2 * strength, 0.2 * strength, device)
    changed = (images * factors[0]).clamp(0, 1)
    middle = _grey(changed).mean((2, 3), keepdim=True)
    changed = (middle + (changed - middle) * factors[1]).clamp(0, 1)
    changed = turned(changed, factors[2].flatten(), turn).clamp(0, 1)
    drawn = torch.rand(2, count, 1, 1, 1, device=device)
    found = torch.where(drawn[0] < RECOLOURED, changed, images)
    return torch.where(drawn[1] < GREY, _grey(found), found)


def turned(images: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Pictures `[n, 3, H, W]` whose saturation is multiplied by a factor and whose hue is turned by an angle, `[n]`."""
    to_axes = images.new_tensor(YIQ)
    change = torch.zeros(len(images), 3, 3, device=images.device, dtype=images.dtype)
    change[:, 0, 0] = 1
    change[:, 1, 1] = change[:, 2, 2] = saturation * hue.cos()
    change[:, 1, 2], change[:, 2, 1] = -saturation * hue.sin(), saturation * hue.sin()
    with _all_digits(images.device):
        made: Tensor = torch.linalg.inv(to_axes) @ change @ to_axes @ images.flatten(2)
    return made.view_as(images)


def _grey(images: Tensor) -> Tensor:
    """`[n, 3, H, W]`, all channels alike."""
    weights = images.new_tensor(LUMA)[:, None, None] / 1000
    return (images * weights).sum(1, keepdim=True).expand_as(images)


def _all_digits(device: torch.device) -> torch.autocast:
    """Within it mixed precision is off, which would round places and colours to 8 bits."""
    return torch.autocast(device.type, enabled=False)


def _uniform(count: int, low: float, high: float, device: torch.device) -> Tensor:
    """`[count]` numbers between two."""
    return low + (high - low) * torch.rand(count, device=device)
