"""Whether images fit in memory, asked before they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence

import psutil

from episodes.errors import DataError


def check_memory(name: str, shape: Sequence[int]) -> None:
    """Raise DataError if uint8 images of that shape, `[M, C, H, W]`, are more than the memory that is free."""
    needed, free = math.prod(shape), psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"the {shape[0]:,} images of '{name}' take {needed / 1e9:,.1f} GB at {shape[2]} x {shape[3]}, and "
            f"{free / 1e9:,.1f} GB of memory is free; give a smaller --image-size"
        )
