"""How the classes of `glyphs` were chosen.

`python -m episodes.datasets.images.choose_glyphs` writes `splits/glyphs.json` anew.

Nothing imports this at run time: the list is data, so that it is the same with any version of the fonts' tools.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import matplotlib
import torch
from fontTools import unicodedata as scripts
from fontTools.ttLib import TTFont
from torch import Tensor

from episodes.banks.images import ImageBank
from episodes.datasets.images.glyphs import CANVAS, FACES, IMAGES, class_name, draw, load_face, render

SAME_SHAPE = 0.86  # correlation of two letters as drawn from which they are twins; see `same_shape`
SAME_MEAN = 0.95  # and that of the mean images of two classes: as high as that of two halves of one class
SOLID = 0.97  # share of its box that a letter may fill; blocks and bars differ only in what fitting removes
# Letters and symbols in each split, so that the three are of like difficulty.
VALIDATION = ("Georgian", "Miscellaneous Symbols", "Miscellaneous Symbols and Arrows")
TEST = (
    *("Greek", "Cyrillic", "Mathematical Operators", "Miscellaneous Technical"),
    *("Latin-1 Supplement", "General Punctuation", "Currency Symbols"),
)


def choose() -> dict[str, dict[str, list[int]]]:
    """Code points by split and group: in all faces, without decomposition, with ink, no two of them twins.

    Of twins (Latin A, Greek Alpha, Cyrillic A; capital and small Zhe, which are one shape once fitted to the canvas)
    the lowest code point stays, whatever its group: none of a test class's shapes has been seen in training, and no
    bound on accuracy comes from two names of one shape.
    """
    codes = [code for code in _common_codes() if _eligible(code)]
    drawn = torch.stack([torch.stack([draw(chr(code), font) for code in codes]) for font in map(load_face, FACES)], 1)
    inked = [number for number in range(len(codes)) if _inked(drawn[number])]
    codes, shapes = [codes[number] for number in inked], halved(drawn[inked])
    means = mean_images(render([chr(code) for code in codes]))
    kept: list[int] = []
    for number in range(len(codes)):
        twins = (same_shape(shapes[number], shapes[kept]) >= SAME_SHAPE) | (
            same_mean(means[number], means[kept]) >= SAME_MEAN
        )
        if not twins.any():
            kept.append(number)
    chosen: dict[str, dict[str, list[int]]] = {"train": {}, "validation": {}, "test": {}}
    for number in kept:
        chosen[_split_of(codes[number])].setdefault(group_of(codes[number]), []).append(codes[number])
    return chosen


def same_shape(shape: Tensor, others: Tensor) -> Tensor:
    """Correlation, pixel by pixel, of an undistorted letter `[faces, h, w]` with others `[n, faces, h, w]`.

    Returns:
        `[n]`: the mean of the four faces in which the two look most alike, since a test letter that equals a training
        letter in some faces would be known in those.
    """
    return _correlation(shape.flatten(1), others.flatten(2)).topk(4, dim=1).values.mean(1)


def same_mean(mean: Tensor, others: Tensor) -> Tensor:
    """Correlation `[n]` of a class's mean image `[h, w]` with others `[n, h, w]`, over faces and distortions alike."""
    return _correlation(mean.flatten(), others.flatten(1))


def halved(canvases: Tensor) -> Tensor:
    """Undistorted letters `[letters, faces, CANVAS, CANVAS]` at the size of the images."""
    return torch.nn.functional.avg_pool2d(canvases.float(), 2)


def mean_images(images: Tensor) -> Tensor:
    """The mean image `[classes, h, w]` of each class in `[classes * IMAGES, 1, h, w]`."""
    return images.float().view(-1, IMAGES, *images.shape[2:]).mean(1)


def _correlation(pixels: Tensor, others: Tensor) -> Tensor:
    """Pearson's, over the last dimension."""
    centred, centred_others = (each - each.mean(-1, keepdim=True) for each in (pixels, others))
    return torch.nn.functional.cosine_similarity(centred, centred_others, dim=-1)


def _split_of(code: int) -> str:
    group = group_of(code)
    return "test" if group in TEST else "validation" if group in VALIDATION else "train"


def group_of(code: int) -> str:
    """The script's name, or for what is common to scripts the Unicode block's."""
    script = scripts.script(chr(code))
    return str(scripts.block(chr(code)) if script == "Zyyy" else scripts.script_name(script))


def _common_codes() -> list[int]:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return sorted(set.intersection(*(set(TTFont(folder / face).getBestCmap()) for face in FACES)))


def _eligible(code: int) -> bool:
    return unicodedata.category(chr(code))[0] in "LSNP" and not unicodedata.decomposition(chr(code))


def _inked(canvases: Tensor) -> bool:
    """Whether every face draws something that is neither blank nor a filled box."""
    for canvas in canvases:
        rows, columns = torch.nonzero(canvas.sum(1)), torch.nonzero(canvas.sum(0))
        if not len(rows):
            return False
        box = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        if float(box.float().mean()) / 255 > SOLID or min(box.shape) < CANVAS // 14:
            return False
    return True


def main() -> None:
    chosen = choose()
    fingerprints = {}
    for split, groups in chosen.items():
        letters = [chr(code) for codes in groups.values() for code in codes]
        members = tuple(group for group, codes in groups.items() for _ in codes)
        bank = ImageBank(split, render(letters), tuple(map(class_name, letters)), (IMAGES,) * len(letters), members)
        fingerprints[split] = bank.fingerprint
    data: dict[str, Any] = {"about": __doc__.split("\n")[0] if __doc__ else "", "fingerprints": fingerprints}
    target = Path(__file__).parent.parent / "splits" / "glyphs.json"
    target.write_text(json.dumps({**data, "splits": chosen}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
