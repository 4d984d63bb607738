"""Omniglot's drawings: decoded, and made smaller."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from episodes.errors import DataError

Reader = Callable[[], bytes]


def decode_drawing(root: Path, path: str, read: Reader) -> np.ndarray[Any, Any]:
    try:
        with Image.open(io.BytesIO(read())) as image:
            return ~np.asarray(image.convert("1"))
    except (OSError, SyntaxError) as error:
        raise DataError(f"cannot read the picture '{root / path}': {error}; download it again") from None


def shrink(mask: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    ink = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(ink.resize((size, size), Image.Resampling.LANCZOS))


def grey_or_colour(images: Tensor, channels: int) -> Tensor:
    return images.unsqueeze(1).repeat(1, channels, 1, 1)
