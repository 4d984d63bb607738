"""Images brought to another shape."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

AT_ONCE = 1024  # images that are resized together, which bounds the memory of their float copy

LUMA = (299, 587, 114)  # thousandths of red, green and blue in grey (ITU-R BT.601)


def convert(images: Tensor, channels: int, size: tuple[int, int]) -> Tensor:
    """Images `[M, C, H, W]` uint8 as `[M, channels, *size]`.

    Bilinear with antialiasing; grey is repeated, colour is weighted to grey.
    """
    return torch.cat([_convert(part, channels, size) for part in torch.split(images, AT_ONCE)])


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
