"""glyphs: characters of many scripts in the 12 DejaVu faces that matplotlib ships, rendered at first use.

A class is a code point, an image a face under a seeded affine and thickness distortion; 28 x 28 grey, ink 255 on 0,
40 images per class. Whole scripts (and whole Unicode blocks of symbols) are unseen in validation and test. Which code
points, and which split each is in, is fixed in `splits/glyphs.json`; `choose_glyphs.py` says how it was chosen.
Fonts: DejaVu 2.37 (Bitstream Vera licence).

The distortion is integer arithmetic on numbers of a counter-based generator, so that the same letters give the same
pixels on every processor. The letters come from Pillow's FreeType: another version of it may draw some differently,
which the fingerprints show.
"""

from __future__ import annotations

import hashlib
import unicodedata
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageFont
from torch import Tensor

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import published, refuse_split
from episodes.files.cache import cached_arrays
from episodes.uniforms import unit

FACES = [
    f"DejaVu{family}{style}.ttf"
    for family, styles in (
        ("Sans", ("", "-Bold", "-Oblique", "-BoldOblique")),
        ("SansMono", ("", "-Bold", "-Oblique", "-BoldOblique")),
        ("Serif", ("", "-Bold", "-Italic", "-BoldItalic")),
    )
    for style in styles
]
IMAGES = 40  # per class
SIZE = 28
CANVAS = 2 * SIZE  # letters are distorted at twice the size, then halved
BOX = 40  # a letter's longer side on the canvas
FIXED = 4096  # one, in the fixed-point numbers of the distortion
SPLIT = "scripts-2"  # `scripts` had letters twice, as capital and small; its records are a board of their own
RECIPE = 1  # to be raised with every change of the pixels


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """The built-in dataset; the first call renders it (seconds), later ones read the cache.

    Raises:
        DataError: another --split than the one it has.
    """
    refuse_split(name, options.split, [SPLIT])
    data = published("glyphs")
    letters = {
        split: [chr(code) for codes in groups.values() for code in codes] for split, groups in data["splits"].items()
    }
    recipe = hashlib.sha256(repr((letters, RECIPE)).encode()).hexdigest()[:16]
    arrays = cached_arrays(f"glyphs-{recipe}", lambda: {split: render(each).numpy() for split, each in letters.items()})
    banks = {}
    for split, groups in data["splits"].items():
        names = [class_name(letter) for letter in letters[split]]
        members = tuple(group for group, codes in groups.items() for _ in codes)
        bank = ImageBank(
            f"{name}/{split}", torch.from_numpy(arrays[split]), tuple(names), (IMAGES,) * len(names), members
        )
        if bank.fingerprint != data["fingerprints"][split]:
            warnings.warn(
                f"this machine draws '{bank.name}' a little differently (another FreeType): "
                "accuracies compare with those of other machines only roughly",
                stacklevel=2,
            )
        size = options.image_size or SIZE
        banks[split] = bank.fitted((options.channels or 1, size, size))
    return Dataset(name, SPLIT, banks["train"], banks["validation"], banks["test"])


def class_name(letter: str) -> str:
    """`latin_small_letter_a` for `a`."""
    return unicodedata.name(letter).lower().replace(" ", "_")


def render(letters: list[str]) -> Tensor:
    """`[len(letters) * IMAGES, 1, 28, 28]` uint8, the images of a letter side by side.

    A letter's images depend on the letter alone, not on which others are asked for.
    """
    fonts = [load_face(face) for face in FACES]
    parts = []
    for letter in letters:
        canvases = torch.stack([draw(letter, font) for font in fonts])
        faces = torch.arange(IMAGES) % len(fonts)
        raw = np.random.Philox(key=ord(letter)).random_raw(IMAGES * 8).reshape(IMAGES, 8)
        parts.append(_distort(canvases[faces], unit(raw)))
    return torch.cat(parts).unsqueeze(1)


def load_face(face: str) -> ImageFont.FreeTypeFont:
    """A face that matplotlib ships, at the size letters are drawn in before they are fitted to the canvas."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / face
    return ImageFont.truetype(str(path), 72, layout_engine=ImageFont.Layout.BASIC)


def draw(letter: str, font: ImageFont.FreeTypeFont) -> Tensor:
    """The letter, its longer side BOX, in the middle of a `[CANVAS, CANVAS]` uint8 canvas; zeros if it has no ink."""
    mask = font.getmask(letter, mode="L")
    canvas = Image.new("L", (CANVAS, CANVAS))
    ink = Image.frombytes("L", mask.size, bytes(mask))
    box = ink.getbbox()
    if box:
        ink = ink.crop(box)
        width, height = (max(1, round(side * BOX / max(ink.size))) for side in ink.size)
        ink = ink.resize((width, height), Image.Resampling.BOX if max(ink.size) > BOX else Image.Resampling.BILINEAR)
        canvas.paste(ink, ((CANVAS - width) // 2, (CANVAS - height) // 2))
    return torch.from_numpy(np.array(canvas))


def _distort(canvases: Tensor, uniform: NDArray[np.float64]) -> Tensor:
    """Each canvas `[n, CANVAS, CANVAS]` turned, sheared, scaled, moved and thickened by its 8 numbers in [0, 1).

    Returns:
        `[n, SIZE, SIZE]` uint8.
    """
    thick = _thicken(canvases.int(), torch.from_numpy((uniform[:, 7] * 4).astype(np.int64)))
    spread = 2 * uniform - 1
    angle, shear = spread[:, 0] * np.radians(15), spread[:, 1] * 0.2
    scale_x, scale_y = 1 + 0.15 * spread[:, 2], 1 + 0.15 * spread[:, 3]
    cos, sin = np.cos(angle), np.sin(angle)
    inverse = np.stack(
        [cos / scale_x, (sin + shear * cos) / scale_x, -sin / scale_y, (cos - shear * sin) / scale_y], axis=1
    )
    matrix = torch.from_numpy(np.rint(inverse * FIXED).astype(np.int32)).view(-1, 2, 2)
    shift = torch.from_numpy(np.rint(spread[:, 4:6] * 4 * 2 * FIXED).astype(np.int32))
    moved = _sample(thick, matrix, shift)
    quarters = moved.view(-1, SIZE, 2, SIZE, 2).sum((2, 4))
    return ((quarters + 2) // 4).to(torch.uint8)


def _thicken(canvases: Tensor, level: Tensor) -> Tensor:
    """Level 0 half-way to an erosion, 1 as it is, 2 half-way to a dilation by a 3 x 3 square, 3 all the way."""
    exact = canvases.float()  # whole numbers below 2^24 are exact
    dilated = F.max_pool2d(exact.unsqueeze(1), 3, 1, 1).squeeze(1).int()
    eroded = -F.max_pool2d(-exact.unsqueeze(1), 3, 1, 1).squeeze(1).int()
    levels = torch.stack([(canvases + eroded) // 2, canvases, (canvases + dilated) // 2, dilated])
    return levels[level, torch.arange(len(canvases))]


def _sample(canvases: Tensor, matrix: Tensor, shift: Tensor) -> Tensor:
    """Bilinear look-up at `matrix @ place + shift` for each place of the canvas, in integers.

    Places count in half pixels from the middle, so coordinates are in 1 / (2 * FIXED) of a pixel.
    """
    half = torch.arange(1 - CANVAS, CANVAS, 2, dtype=torch.int32)
    rows, columns = half.view(1, -1, 1), half.view(1, 1, -1)
    middle = (CANVAS - 1) * FIXED
    x = matrix[:, 0, 0, None, None] * columns + matrix[:, 0, 1, None, None] * rows + shift[:, 0, None, None] + middle
    y = matrix[:, 1, 0, None, None] * columns + matrix[:, 1, 1, None, None] * rows + shift[:, 1, None, None] + middle
    unit = 2 * FIXED
    padded = F.pad(canvases, (1, 2, 1, 2)).flatten(1)
    left = torch.div(x, unit, rounding_mode="floor").clamp(-1, CANVAS)
    top = torch.div(y, unit, rounding_mode="floor").clamp(-1, CANVAS)
    right_weight = ((x - left * unit) * 16 // unit).clamp(0, 16)
    lower_weight = ((y - top * unit) * 16 // unit).clamp(0, 16)
    total = torch.zeros_like(x)
    for down, weight_y in ((0, 16 - lower_weight), (1, lower_weight)):
        for across, weight_x in ((0, 16 - right_weight), (1, right_weight)):
            place = (top + 1 + down) * (CANVAS + 3) + left + 1 + across
            total += weight_y * weight_x * padded.gather(1, place.flatten(1).long()).view_as(x)
    return (total + 128) // 256
