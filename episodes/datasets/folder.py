"""folder:PATH: any tree of class folders of pictures, by torchvision's ImageFolder rules."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets import ImageFolder

from episodes.bank import ImageBank
from episodes.datasets import DataOptions, Dataset
from episodes.errors import DataError
from episodes.splitting import split_classes


def load(name: str, options: DataOptions) -> Dataset:
    """Every picture under `name/CLASS/`, nested folders too, as RGB (--channels 1: grey) of 84 x 84 (--image-size).

    A picture's shorter side is resized to the size with antialiasing, then the middle is cropped. EXIF rotation is
    applied. Split as `episodes.splitting.split_classes` says.

    Raises:
        DataError: missing or empty folder, a class without pictures, or a picture that cannot be read.
    """
    root = Path(name).expanduser()
    if not root.is_dir():
        raise DataError(
            f"there is no folder '{root}'; --dataset folder:PATH needs one with a folder of pictures a class"
        )
    try:
        found = ImageFolder(str(root))
    except FileNotFoundError as error:
        reason = str(error).split(". Supported")[0].rstrip(".")
        raise DataError(f"'{root}' does not hold a folder of pictures for each class: {reason}") from None
    size, channels = options.image_size or 84, options.channels or 3
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda sample: read_picture(Path(sample[0]), size, channels), found.samples))
    labels = [label for _, label in found.samples]
    classes = found.classes
    bank = ImageBank.from_labels(f"folder:{name}", torch.stack(images), labels, classes, classes)
    return split_classes(bank, options.split)


def read_picture(path: Path, size: int, channels: int) -> Tensor:
    """A picture file as `[channels, size, size]` uint8.

    Raises:
        DataError: it cannot be read; names the file.
    """
    try:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except Exception as error:  # Pillow's readers raise whatever the broken bytes lead to
        raise DataError(f"cannot read the picture '{path}': {error}; mend or remove it") from None
    return to_square(picture, size, channels)


def to_square(picture: Image.Image, size: int, channels: int) -> Tensor:
    """Shorter side to `size`, antialiased, and the middle cropped; `[channels, size, size]` uint8."""
    fitted = ImageOps.fit(picture.convert("L" if channels == 1 else "RGB"), (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(fitted)).view(size, size, channels).permute(2, 0, 1)
