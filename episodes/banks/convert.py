"""Banks of images brought to one shape, and joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from episodes.banks.images import ImageBank, check_memory

AT_ONCE = 1024  # images that are resized together, which bounds the memory of their float copy

LUMA = (299, 587, 114)  # thousandths of red, green and blue in grey (ITU-R BT.601)


def convert(bank: ImageBank, channels: int, size: tuple[int, int]) -> ImageBank:
    """The bank with images of that shape: bilinear with antialiasing; grey is repeated, colour weighed to grey."""
    if bank.item_shape == (channels, *size):
        return bank
    check_memory(bank.name, (len(bank.images), channels, *size))
    return replace(
        bank, images=torch.cat([_convert(part, channels, size) for part in torch.split(bank.images, AT_ONCE)])
    )


def join(name: str, banks: Sequence[ImageBank]) -> ImageBank:
    """One bank of the classes of several, in their order; images of one shape, no class name twice."""
    return ImageBank(
        name,
        torch.cat([bank.images for bank in banks]),
        tuple(class_name for bank in banks for class_name in bank.class_names),
        tuple(size for bank in banks for size in bank.class_sizes),
        tuple(group for bank in banks for group in bank.groups),
    )


def _convert(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    if images.shape[1] != channels:
        if channels == 3:
            images = images.expand(-1, 3, -1, -1)
        else:
            luma = (images.int() * torch.tensor(LUMA, dtype=torch.int32)[:, None, None]).sum(1, keepdim=True)
            images = ((luma + 500) // 1000).to(torch.uint8)
    if images.shape[2:] != size:
        images = F.interpolate(images.float(), size=size, mode="bilinear", antialias=True).round().clamp(0, 255)
    return images.to(torch.uint8).contiguous()
