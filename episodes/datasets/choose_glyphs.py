"""How the classes of `glyphs` were chosen.

`python -m episodes.datasets.choose_glyphs` writes `splits/glyphs.json` anew.

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

from episodes.bank import ImageBank
from episodes.datasets.glyphs import CANVAS, FACES, IMAGES, class_name, draw, load_face, render

ALIKE = 0.85  # overlap of ink from which two letters of one split count as one; see `alike`
ALIKE_ACROSS = 0.75  # and from which a letter is left out because another split has one like it
SOLID = 0.97  # share of its box that a letter may fill; blocks and bars differ only in what fitting removes
# Letters and symbols in each split, so that the three are of like difficulty.
VALIDATION = ("Georgian", "Miscellaneous Symbols", "Miscellaneous Symbols and Arrows")
TEST = (
    *("Greek", "Cyrillic", "Mathematical Operators", "Miscellaneous Technical"),
    *("Latin-1 Supplement", "General Punctuation", "Currency Symbols"),
)


def choose() -> dict[str, dict[str, list[int]]]:
    """Code points by split and group: in all faces, without decomposition, with ink, no two of them alike.

    Of letters alike (Latin A, Greek Alpha, Cyrillic A) the lowest code point stays, whatever its group, so that none
    of a test class's shapes has been seen in training.
    """
    codes = [code for code in _common_codes() if _eligible(code)]
    drawn = torch.stack([torch.stack([draw(chr(code), font) for code in codes]) for font in map(load_face, FACES)], 1)
    inked = [number for number in range(len(codes)) if _inked(drawn[number])]
    shapes = torch.nn.functional.avg_pool2d(drawn.float(), 2)  # [letters, faces, 28, 28]
    kept: list[int] = []
    for number in inked:
        if not _any_alike(shapes, number, kept, ALIKE):
            kept.append(number)
    chosen: dict[str, dict[str, list[int]]] = {"train": {}, "validation": {}, "test": {}}
    earlier: list[int] = []
    for split, groups in chosen.items():
        members = [number for number in kept if _split_of(codes[number]) == split]
        fresh = [number for number in members if not _any_alike(shapes, number, earlier, ALIKE_ACROSS)]
        for number in fresh:
            groups.setdefault(group_of(codes[number]), []).append(codes[number])
        earlier += fresh
    return chosen


def alike(shape: Tensor, others: Tensor) -> Tensor:
    """Common ink over all ink (Jaccard's index) of a letter `[faces, h, w]` with others `[n, faces, h, w]`.

    Returns:
        `[n]`: the mean of the four faces in which the two look most alike, since a test letter that equals a training
        letter in some faces would be known in those.
    """
    least, most = torch.minimum(shape, others).sum((2, 3)), torch.maximum(shape, others).sum((2, 3))
    return (least / most.clamp(min=1)).topk(4, dim=1).values.mean(1)


def _any_alike(shapes: Tensor, number: int, others: list[int], limit: float) -> bool:
    return bool(others) and float(alike(shapes[number], shapes[others]).max()) >= limit


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
