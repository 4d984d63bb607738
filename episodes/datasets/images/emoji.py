"""emoji: 1,076 things such as cat, ewe or boar, each drawn by 6 to 9 hands; rendered at first use.

A class is an emoji of one code point by Unicode's short name, an image one hand's drawing of it; its character's name
is accepted too, as `sheep` for `ewe`. Groups are Unicode's, such as `animals-nature`; whole subgroups, such as
`animal-bird`, are unseen in validation and test. 32 x 32 colour on white (--image-size, --channels).

Files: npm packages of Iconify's, as `npm pack` leaves them, in the data root or its folder `emoji`, in the versions
that `splits/emoji.json` names. emojione, emojione-monotone, streamline-emojis and twemoji are CC BY 4.0; emojione-v1
and openmoji CC BY-SA 4.0; fluent-emoji-flat and fluent-emoji-high-contrast MIT; fxemoji, noto and noto-v1 Apache 2.0.

- `emoji:all-styles`: with the two monotone styles that repeat a hand's coloured drawings. Only here can support and
  queries of a task have the same drawing.
- `emoji:augmented`: each drawing five times, as it is and turned, shrunk and moved a little; of each thing half of the
  drawings, drawn by lot, are for support and half for queries, so that there are at least 15 images of each.
- `emoji:random-background`: on a light colour drawn by lot.
- `--across styles`: support from the five styles of flat colours, queries from the four with outlines or shades.

Another version of resvg may render some pictures differently, which the fingerprints show.
"""

from __future__ import annotations

import unicodedata
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.images import ImageBank, check_memory
from episodes.dataset import PARTS, DataOptions, Dataset
from episodes.datasets.images.emoji_drawings import WHITE, Icon, check_package, draw, read_content, read_icons
from episodes.datasets.splitting import by_names, published, split_classes
from episodes.errors import DataError
from episodes.extras import need
from episodes.files.cache import cached_arrays
from episodes.uniforms import generator_key, unit

ALL, AUGMENTED, GROUNDS = VARIANTS = ("all-styles", "augmented", "random-background")  # as users write it: emoji:NAME
ACROSS = ("styles",)
OUTLINED = ("noto", "noto-v1", "openmoji", "streamline-emojis")  # or shaded; the others are flat
SPLIT = "subgroups"
SIZE = 32
VERSIONS = 5  # of each drawing that is augmented
TURNED, SHRUNK, MOVED = 15, 0.2, 0.05  # at most: degrees in either direction, and parts of the size
QUERIES = 15  # per class at most, where none are asked for
RECIPE = 1  # to be raised with every change of the pixels


@dataclass(frozen=True)
class Thing:
    """A class: its name, code point and group, and the styles that it is drawn in."""

    name: str
    code: int
    group: str
    styles: tuple[str, ...]


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """The drawings as classes; the first call renders them (seconds), later ones read the cache.

    Raises:
        DataError: a missing package, one that is not as published, no such split, or --across of drawings by lot.
    """
    resvg = need("resvg_py", "emoji", f"dataset '{name}'")
    variant, size = name.partition(":")[2], options.image_size or SIZE
    if variant == AUGMENTED and options.across:
        raise DataError(f"{name} has its drawings for queries by lot, not --across {options.across}; leave one out")
    folder, data = find(name, options), published("emoji")
    things = read_things(data, variant)
    versions = VERSIONS if variant == AUGMENTED else 1
    check_memory(name, (sum(len(thing.styles) for thing in things) * versions, 3, size, size))
    key = generator_key(data["packages"], data["icons"], things, variant, size, resvg.__version__, RECIPE)
    arrays = cached_arrays(f"emoji-{key:032x}", lambda: {"images": render(data, things, folder, variant, size)})
    bank = bank_of(name, torch.from_numpy(arrays["images"]), things, versions, options.across)
    if options.split in (None, SPLIT):
        names = {part: [thing for members in data[part].values() for thing in members] for part in PARTS}
        dataset = by_names(bank, name, SPLIT, names)
        if (variant, options.across, size) == ("", None, SIZE):
            _compare(dataset, data["fingerprints"])
    else:
        dataset = split_classes(bank, options.split)
    shape = (options.channels or 3, size, size)
    return replace(
        dataset,
        **{part: getattr(dataset, part).fitted(shape) for part in PARTS},
        queries=min(QUERIES, min(bank.held_out) if bank.held_out else min(bank.class_sizes) - 1),
        synonyms=synonyms(things),
    )


def find(name: str, options: DataOptions) -> Path:
    """The folder that has all packages.

    Raises:
        DataError: some are missing; says which, where they were looked for, and how to get them.
    """
    root, data = options.folder, published("emoji")
    if options.data_root is not None and not root.is_dir():
        raise DataError(f"--data-root '{root}' is not a folder; name one that holds the packages of emoji")
    styles = read_styles(data, name.partition(":")[2])
    missing = {
        folder: [style for style in styles if not package(data, folder, style).is_file()]
        for folder in (root / "emoji", root)
    }
    folder = min(missing, key=lambda folder: len(missing[folder]))
    lacking = missing[folder]
    if not lacking:
        return folder
    others = [path.name for style in lacking for path in sorted(folder.glob(f"iconify-json-{style}-[0-9]*.tgz"))]
    others = [file for file in others if (folder / file).is_file()]
    raise DataError(
        f"{name} needs {package(data, folder, lacking[0]).name}"
        + (f" and {len(lacking) - 1} more packages" if len(lacking) > 1 else "")
        + f" in '{folder}'"
        + (f", which has {others[0]}, another version" if others else "")
        + f"; run there: {npm_pack(data, lacking)}"
    )


def read_styles(data: dict[str, Any], variant: str) -> list[str]:
    """The styles that are read, in the order of a thing's drawings."""
    return [style for style in data["packages"] if variant == ALL or style not in data["repeats"]]


def read_things(data: dict[str, Any], variant: str) -> list[Thing]:
    """All things in the order of the split."""
    wanted = dict(zip("abcdefghijk", data["packages"], strict=False))
    wanted = {letter: style for letter, style in wanted.items() if style in read_styles(data, variant)}
    return [
        Thing(thing, int(code, 16), data["groups"][subgroup], tuple(wanted[each] for each in drawn if each in wanted))
        for part in PARTS
        for subgroup, members in data[part].items()
        for thing, (code, drawn) in ((thing, about.split()) for thing, about in members.items())
    ]


def package(data: dict[str, Any], folder: Path, style: str) -> Path:
    """The file of a style, in the version that is read."""
    return folder / f"iconify-json-{style}-{data['packages'][style][0]}.tgz"


def npm_pack(data: dict[str, Any], styles: Iterable[str]) -> str:
    """The command that gets the packages of styles."""
    return " ".join(["npm pack", *(f"@iconify-json/{style}@{data['packages'][style][0]}" for style in styles)])


def render(data: dict[str, Any], things: list[Thing], folder: Path, variant: str, size: int) -> NDArray[np.uint8]:
    """`[M, 3, size, size]`: thing by thing, style by style, version by version.

    Raises:
        DataError: a package is not as published.
    """
    icons = {}
    for style in read_styles(data, variant):
        path = package(data, folder, style)
        check_package(path, data["packages"][style][1], npm_pack(data, [style]))
        icons[style] = read_icons(read_content(path))
    pictures = []
    for thing in things:
        for style in thing.styles:
            icon = icons[style][data["icons"][style].get(thing.name, thing.name)]
            ground = _light(thing, style) if variant == GROUNDS else WHITE
            transforms = [_moved(icon, thing, style, version) for version in range(1, VERSIONS)]
            for transform in ["", *(transforms if variant == AUGMENTED else ())]:
                pictures.append(draw(icon, size, ground, transform))
    return np.ascontiguousarray(np.stack(pictures).transpose(0, 3, 1, 2))


def _light(thing: Thing, style: str) -> str:
    """A colour whose red, green and blue are 128 to 255."""
    uniform = unit(np.random.Philox(key=generator_key(thing.code, style)).random_raw(3))
    return "#" + "".join(f"{128 + int(128 * each):02x}" for each in uniform)


def _moved(icon: Icon, thing: Thing, style: str, version: int) -> str:
    """The drawing turned and shrunk about its middle, and moved."""
    turned, shrunk, right, down = unit(np.random.Philox(key=generator_key(thing.code, style, version)).random_raw(4))
    left, top, width, height = icon.box
    x, y = left + width / 2, top + height / 2
    to_x, to_y = x + MOVED * width * (2 * right - 1), y + MOVED * height * (2 * down - 1)
    return (
        f"translate({to_x:.3f} {to_y:.3f}) rotate({TURNED * (2 * turned - 1):.3f}) "
        f"scale({1 - SHRUNK * shrunk:.3f}) translate({-x} {-y})"
    )


def bank_of(name: str, images: Tensor, things: list[Thing], versions: int, across: str | None) -> ImageBank:
    """The things as classes: first each one's drawings for support, then those held out for queries, if any are."""
    rows, held, start = [], [], 0
    for thing in things:
        queries = for_queries(thing, versions > 1, across)
        order = np.array([*(place for place in range(len(thing.styles)) if place not in queries), *queries])
        rows.append(start + (order[:, None] * versions + np.arange(versions)).ravel())
        held.append(versions * len(queries))
        start += versions * len(thing.styles)
    return ImageBank(
        name,
        images[torch.from_numpy(np.concatenate(rows))],
        tuple(thing.name for thing in things),
        tuple(map(len, rows)),
        tuple(thing.group for thing in things),
        tuple(held) if any(held) else (),
    )


def for_queries(thing: Thing, apart: bool, across: str | None) -> list[int]:
    """Which of a thing's drawings, by their places, are for queries alone: by style, by lot, or none."""
    if across:
        return [place for place, style in enumerate(thing.styles) if style in OUTLINED]
    lot = np.argsort(np.random.Philox(key=thing.code).random_raw(len(thing.styles)), kind="stable").tolist()
    return lot[: len(lot) // 2] if apart else []


def synonyms(things: Iterable[Thing]) -> dict[str, str]:
    """Things by their characters' names, where these are no thing's own: `sheep`."""
    names = {thing.name for thing in things}
    words = {unicodedata.name(chr(thing.code), "").lower().replace(" ", "-"): thing.name for thing in things}
    return {word: name for word, name in words.items() if word and word not in names}


def _compare(dataset: Dataset[ImageBank], fingerprints: dict[str, str]) -> None:
    """Warn of pictures that are not those of other machines."""
    for part in PARTS:
        bank = getattr(dataset, part)
        if bank.fingerprint != fingerprints[part]:
            warnings.warn(
                f"this machine renders '{bank.name}' a little differently (another resvg): accuracies compare with "
                "those of other machines only roughly",
                stacklevel=3,
            )
