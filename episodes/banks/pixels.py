"""Pictures of any mode as 8 bits without transparency."""

from __future__ import annotations

import numpy as np
from PIL import Image

WHITE = 240  # the least value of what cannot be seen on white


def flat(picture: Image.Image) -> Image.Image:
    """The picture in 8 bits and without transparency, which `convert` would cut off and make black.

    What is transparent is put on white, and what is so in part is blended with it; a picture of which nothing would
    then be seen, as it is drawn in white, on black. Grey of 16 bits is rounded to 8. Others are as they are.

    Raises:
        ValueError: values of more than 16 bits, or numbers that are not whole.
    """
    if picture.mode.startswith(("I", "F")):
        return _eight_bits(picture)
    if not (picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info):
        return picture
    shown = picture.convert("RGBA")
    on_white = _on(shown, "white")
    alpha = np.asarray(shown)[..., 3]
    drawn_in_white = np.asarray(on_white).min() >= WHITE and alpha.min() < 255 and alpha.max() > 0
    return _on(shown, "black") if drawn_in_white else on_white


def _on(picture: Image.Image, ground: str) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", picture.size, ground), picture).convert("RGB")


def _eight_bits(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() >= 2**16:
        raise ValueError(f"its values, from {values.min():g} to {values.max():g}, are not of 8 or 16 bits")
    rounded = ((values.astype(np.uint32) * 255 + 2**15) // (2**16 - 1)).astype(np.uint8)
    clear = picture.info.get("transparency")  # of PNG: the one shade that is transparent
    return Image.fromarray(rounded if clear is None else np.where(values == clear, np.uint8(255), rounded))
