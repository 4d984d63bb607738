"""Omniglot (Lake, Salakhutdinov, Tenenbaum 2015): 1,623 handwritten characters of 50 alphabets, 20 drawings each.

Licence: MIT. Drawings are 105 x 105, 1 bit. They are inverted (ink 255 on 0), and resized to 28 x 28 (or
--image-size) with Pillow's Lanczos filter.

Class splits (`splits/omniglot.json`):

- `vinyals` (default): 1,028 characters train, 172 validate, 423 test. As in Vinyals et al. 2016 each training
  character also gives three classes by rotation (4,112 training classes). Validation and test classes are upright:
  the code of Snell et al. 2017 rotates those too, which makes 1,692 test classes of the same 423 characters.
- `lake`: the background alphabets train (five of them validate), the evaluation alphabets test; no rotations.
- `one-shot`: trained as `lake`, tested on Lake's 20 one-shot runs (see `omniglot_runs`), 20-way 1-shot.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision import datasets

from episodes.banks.images import ImageBank, check_memory
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.omniglot_drawings import Reader, decode_drawing, grey_or_colour, shrink
from episodes.datasets.images.omniglot_runs import load_runs
from episodes.datasets.splitting import published, refuse_split
from episodes.errors import DataError
from episodes.files.archives import is_hidden
from episodes.files.cache import cached_arrays, content_key
from episodes.files.download import fetch

PARTS = ("images_background", "images_evaluation")


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """Omniglot with one of its class splits; downloads it where it is missing and there is a network.

    Raises:
        DataError: unknown split, missing files, or files that are not Omniglot's.
    """
    if options.split == "one-shot":
        test, runs = load_runs(options)
        lake = load_upright(name, replace(options, split="lake"))
        return replace(lake, split="one-shot", test=test, test_episodes=runs)
    dataset = load_upright(name, options)
    if not published("omniglot")["splits"][dataset.split]["rotate_training"]:
        return dataset
    return replace(dataset, train=dataset.train.with_rotations())


def load_upright(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """The same without the training classes that are made by rotation.

    Raises:
        DataError: as `load`.
    """
    data = published("omniglot")
    wanted = options.split or "vinyals"
    refuse_split(name, options.split, [*data["splits"], "one-shot"])
    split = data["splits"][wanted]
    everything = _all_characters(options, data)
    parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for number, character in enumerate(everything.class_names):
        place = next((part for part in ("validation", "test") if _listed(character, split[part])), "train")
        parts[place].append(number)
    train, validation, test = (everything.select(f"{name}/{part}", classes) for part, classes in parts.items())
    return Dataset(name, wanted, train, validation, test)


def evaluation_alphabets() -> frozenset[str]:
    """The 20 alphabets of images_evaluation; the other 30 are in images_background."""
    return frozenset(published("omniglot")["splits"]["lake"]["test"])


def _listed(character: str, names: list[str]) -> bool:
    return character in names or character.split("/")[0] in names


def _all_characters(options: DataOptions, data: dict[str, Any]) -> ImageBank:
    """Every character in the order background, evaluation, then alphabet and number; cached once decoded."""
    size = options.image_size or 28
    root = find("omniglot", options)
    drawings = [drawing for part in PARTS for drawing in sorted(_drawings(root, part).items())]
    _check_counts(root, [path for path, _ in drawings], data["counts"])
    check_memory("omniglot", (len(drawings), options.channels or 1, size, size))
    names = list(dict.fromkeys("/".join(path.split("/")[1:3]) for path, _ in drawings))

    def decode() -> dict[str, np.ndarray[Any, Any]]:
        masks = [decode_drawing(root, *drawing) for drawing in drawings]
        digest = hashlib.sha256(b"".join(np.packbits(mask).tobytes() for mask in masks)).hexdigest()
        if digest != data["pixels"]:
            raise DataError(
                f"the drawings in '{root}' are not Omniglot's: pixel digest {digest[:16]}, "
                f"expected {data['pixels'][:16]}; download images_background.zip and images_evaluation.zip again"
            )
        return {"images": np.stack([shrink(mask, size) for mask in masks])}

    images = cached_arrays(f"omniglot-{size}-{_stamp(root)}", decode)["images"]
    return ImageBank(
        "omniglot",
        grey_or_colour(torch.from_numpy(images), options.channels or 1),
        tuple(names),
        (data["counts"]["drawings"],) * len(names),
        tuple(name.split("/")[0] for name in names),
    )


def find(name: str, options: DataOptions) -> Path:
    """The folder with both parts, zipped or as trees; downloaded if it is nowhere and that is wanted."""
    data_root = options.data_root
    if data_root is not None and not data_root.is_dir():
        raise DataError(f"--data-root '{data_root}' is not a folder; name one that holds, or is to hold, Omniglot")
    root = options.folder
    for folder in (root, root / "omniglot-py"):
        if all((folder / f"{part}.zip").is_file() or (folder / part).is_dir() for part in PARTS):
            return folder
    needs = f"omniglot needs images_background.zip and images_evaluation.zip in '{root}' or '{root / 'omniglot-py'}'"
    fetch(
        needs,
        allowed=options.download,
        download=lambda: [datasets.Omniglot(str(root), background=part, download=True) for part in (True, False)],
    )
    return root / "omniglot-py"


def _drawings(root: Path, part: str) -> dict[str, Reader]:
    """Path inside the part to a function that reads the file, from the zip or the tree."""
    archive = root / f"{part}.zip"
    if (root / part).is_dir():
        found = {path.relative_to(root).as_posix(): path.read_bytes for path in (root / part).rglob("*.png")}
        return {path: read for path, read in found.items() if not is_hidden(path)}
    try:
        with zipfile.ZipFile(archive) as opened:
            return {
                entry: partial(bytes, opened.read(entry))
                for entry in opened.namelist()
                if entry.endswith(".png") and entry.startswith(part + "/") and not is_hidden(entry)
            }
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError) as error:
        raise DataError(f"cannot read '{archive}': {error}; download it again") from None


def _check_counts(root: Path, paths: list[str], counts: dict[str, Any]) -> None:
    characters: dict[str, int] = {}
    for path in paths:
        characters[path.rsplit("/", 1)[0]] = characters.get(path.rsplit("/", 1)[0], 0) + 1
    for part in PARTS:
        inside = [character for character in characters if character.startswith(part + "/")]
        alphabets = {character.split("/")[1] for character in inside}
        if [len(alphabets), len(inside)] != counts[part]:
            raise DataError(
                f"'{root / part}' has {len(alphabets)} alphabets and {len(inside)} characters; Omniglot's has "
                f"{counts[part][0]} and {counts[part][1]}: download {part}.zip again"
            )
    for character, drawings in characters.items():
        if drawings != counts["drawings"]:
            raise DataError(
                f"'{root / character}' has {drawings} drawings; Omniglot's has {counts['drawings']}: download it again"
            )


def _stamp(root: Path) -> str:
    """A key that differs for other files, which are not read: places, sizes and times of change of zips or folders."""
    paths = [root / part if (root / part).is_dir() else root / f"{part}.zip" for part in PARTS]
    return content_key(paths)
