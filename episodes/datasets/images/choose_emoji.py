"""How the things of `emoji`, their drawings and their split were chosen.

`python -m episodes.datasets.images.choose_emoji FOLDER` writes `splits/emoji.json` anew, and prints how much the
silhouettes of every two styles have in common, by which `REPEATS` was found. FOLDER has, from `npm pack`, the packages
of `PACKAGES` and `emojibase-data-17.0.0.tgz`, with the short names, groups and subgroups of Unicode's Emoji 17.

Nothing imports this at run time.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import sys
import tarfile
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from episodes import splits
from episodes.dataset import PARTS
from episodes.datasets.images.emoji import SIZE, SPLIT, bank_of, read_things, render
from episodes.datasets.images.emoji_drawings import draw, read_content, read_icons
from episodes.datasets.splitting import by_names

# Nine hands, and two styles that repeat the drawings of one.
PACKAGES = {
    "emojione": "1.2.3",
    "emojione-v1": "1.2.3",
    "fluent-emoji-flat": "1.2.6",
    "fxemoji": "1.2.2",
    "noto": "1.2.9",
    "noto-v1": "1.2.5",
    "openmoji": "1.2.29",
    "streamline-emojis": "1.2.4",
    "twemoji": "1.2.5",
    "emojione-monotone": "1.2.1",
    "fluent-emoji-high-contrast": "1.2.6",
}
REPEATS = {"emojione-monotone": "emojione", "fluent-emoji-high-contrast": "fluent-emoji-flat"}
NAMES = "emojibase-data-17.0.0.tgz"
ABOUT = (
    "Emoji of one code point that at least 6 of 9 hands have drawn, by Unicode's short name: code point, and a letter "
    "for each style of `packages`, in their order, that has a drawing of its own. None was published; this choice, and "
    "the split of whole subgroups, are metabench's: choose_emoji.py says how they were made. `repeats`: styles that "
    "repeat the drawings of another. `icons`: names of drawings that are not the thing's."
)
SOURCE = (
    "the drawings: npm packages @iconify-json/STYLE in the versions, and with the SHA-256 sums, of `packages`; short "
    "names, groups and subgroups: Unicode Emoji 17.0, https://unicode.org/Public/17.0.0/emoji/emoji-test.txt, as npm "
    "package emojibase-data 17.0.0 has them"
)

FEWEST = 6  # hands that have drawn a thing, as shark and duck
SAME = 1.0  # mean difference, of 255, below which two drawings are one
APOSTROPHE = "\u2019"  # as Unicode's names have it
SILHOUETTE = 48  # pixels of the sides of what is compared by its silhouette

# Of drawings that have another thing's name, the right one, or that there is none: seen by eye in all that follow from
# names alone. In fxemoji an animal's name is its face's.
CORRECTIONS: dict[str, dict[str, str | None]] = {
    "fxemoji": {
        **{animal: f"{animal}side" for animal in ("cat", "dog", "leopard", "mouse", "pig", "tiger")},
        **{f"{animal}-face": animal for animal in ("cat", "dog", "mouse", "pig", "tiger")},
        **{"rabbit": "bunnyside", "rabbit-face": "bunny", "dragon": "dragonside", "dragon-face": "dragonhead"},
        "kiss": None,  # a face that kisses
    },
    "streamline-emojis": {"turkey": None},  # the flag
}


@dataclass(frozen=True)
class Emoji:
    """A thing: its short name as a word, its code point, its group and subgroup."""

    name: str
    code: str
    group: str
    subgroup: str


def read_emoji(path: Path) -> list[Emoji]:
    """Unicode's emoji of one code point (a variation selector aside), without skin tones and hair, in its order."""
    with tarfile.open(path) as archive:
        names, known = (
            json.load(member)
            for file in ("en/data.json", "meta/groups.json")
            if (member := archive.extractfile(f"package/{file}"))
        )
    found = [each for each in names if "group" in each and known["groups"][str(each["group"])] != "component"]
    found = [each for each in found if "-" not in _plain(each["hexcode"])]
    return [
        Emoji(
            as_word(each["label"]),
            _plain(each["hexcode"]),
            known["groups"][str(each["group"])],
            known["subgroups"][str(each["subgroup"])],
        )
        for each in sorted(found, key=lambda each: int(each["order"]))
    ]


def as_word(name: str) -> str:
    """A name in lower case with hyphens between its words: `mount-fuji`."""
    plain = unicodedata.normalize("NFKD", name.lower().replace(APOSTROPHE, "")).encode("ascii", "ignore").decode()
    return "-".join(re.findall("[a-z0-9]+", plain))


def _plain(sequence: str) -> str:
    """A sequence of code points without variation selectors, as `chars.json` has some and others not."""
    return "-".join(code for code in sequence.upper().split("-") if code != "FE0F")


def match(emoji: list[Emoji], contents: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Of each style the icon of each thing by name, by its code point where the package says it, else by its name.

    A name is a thing's own, its character's, or one that a package with code points gives to it alone. An icon may go
    by any of its aliases' names, by its name without a number at its end, or without hyphens.
    """
    by_code = {each.code: each.name for each in emoji}
    given: dict[str, set[str]] = {}
    icons: dict[str, dict[str, str]] = {}
    for style, content in contents.items():
        named = {by_code[_plain(code)]: icon for code, icon in content["chars"].items() if _plain(code) in by_code}
        icons[style] = {thing: icon for thing, icon in named.items() if icon in content["icons"]}
        for thing, icon in named.items():
            for name in (icon, *_aliases(content, icon)):
                given.setdefault(name, set()).add(thing)
    known = {name: next(iter(things)) for name, things in given.items() if len(things) == 1}
    known |= {as_word(unicodedata.name(chr(int(each.code, 16)), each.name)): each.name for each in emoji}
    known |= {each.name: each.name for each in emoji}
    known |= {name.replace("-", ""): thing for name, thing in known.items() if name.replace("-", "") not in known}
    for style, content in contents.items():
        for icon in content["icons"] if not content["chars"] else ():
            for name in (icon, re.sub(r"-\d+$", "", icon), *_aliases(content, icon)):
                if name in known:
                    icons[style].setdefault(known[name], icon)
                    break
        wrong = CORRECTIONS.get(style, {})
        icons[style] = {thing: icon for thing, icon in icons[style].items() if thing not in wrong}
        icons[style] |= {thing: icon for thing, icon in wrong.items() if icon}
    return icons


def _aliases(content: dict[str, Any], icon: str) -> list[str]:
    return [name for name, about in content.get("aliases", {}).items() if about == {"parent": icon}]


def without_copies(pictures: dict[str, dict[str, NDArray[np.uint8]]]) -> dict[str, set[str]]:
    """Of each style the things whose drawing stays.

    Left out are a drawing of which nothing is seen on white, those that a style has for several things, and one that an
    earlier style has for the same thing.

    Args:
        pictures: of each style, by thing, `[SIZE, SIZE, 3]` on white.
    """
    kept: dict[str, set[str]] = {}
    for style, drawn in pictures.items():
        names = list(drawn)
        flat = np.stack([drawn[name].ravel() for name in names]).astype(np.float32)
        copies: set[str] = {name for name, row in zip(names, flat, strict=True) if 255 - row.mean() < SAME}
        for place, name in enumerate(names):
            near = np.flatnonzero(np.abs(flat[place + 1 :] - flat[place]).mean(1) < SAME) + place + 1
            copies |= {name, *(names[other] for other in near)} if len(near) else set()
        for earlier in kept if style not in REPEATS else ():
            both = kept[earlier] & drawn.keys()
            copies |= {name for name in both if difference(pictures[earlier][name], drawn[name]) < SAME}
        kept[style] = drawn.keys() - copies
    return kept


def difference(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The mean absolute difference of two pictures' values."""
    return float(np.abs(one.astype(np.float32) - other).mean())


def overlaps(silhouettes: Mapping[str, Mapping[str, NDArray[np.bool_]]]) -> dict[tuple[str, str], float]:
    """Of every two styles the median overlap of the silhouettes of what both have drawn (see `overlap`)."""
    return {
        (one, other): float(
            np.median([overlap(mask, silhouettes[other][name]) for name, mask in drawn.items() if name in both])
        )
        for (one, drawn), other in itertools.product(silhouettes.items(), silhouettes)
        if one < other and (both := drawn.keys() & silhouettes[other].keys())
    }


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union of two silhouettes brought to one size, times the ratio of their boxes' proportions."""
    masks, shapes = zip(*map(_boxed, (one, other)), strict=True)
    ratio = shapes[0] / shapes[1]
    return float((masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() * min(ratio, 1 / ratio))


def _boxed(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    """A mask cut to what it shows, its holes filled, at one size; and its width over its height."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cut = ndimage.binary_fill_holes(mask)[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scaled = Image.fromarray(cut.astype(np.uint8) * 255).resize((SILHOUETTE, SILHOUETTE))
    return np.asarray(scaled) > 127, cut.shape[1] / cut.shape[0]


def split(emoji: Iterable[Emoji]) -> dict[str, list[str]]:
    """Whole subgroups for train, validation and test.

    Of each group the sorted subgroups in the order of a Philox shuffle with key 0: each is for test if that brings test
    nearer to a fifth of the group's things, else for validation if that brings it nearer to a sixth, else for training.
    """
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    sizes = Counter((each.group, each.subgroup) for each in emoji)
    for group in dict.fromkeys(group for group, _ in sizes):
        names = sorted(subgroup for known, subgroup in sizes if known == group)
        whole = sum(sizes[group, name] for name in names)
        left = {"test": whole / 5, "validation": whole / 6, "train": np.inf}
        for place in np.argsort(np.random.Philox(key=0).random_raw(len(names)), kind="stable"):
            size = sizes[group, names[place]]
            part = next(part for part, room in left.items() if size < 2 * room)
            parts[part].append(names[place])
            left[part] -= size
    return parts


def choose(folder: Path) -> dict[str, Any]:
    """What `splits/emoji.json` holds, but for the fingerprints."""
    paths = {style: folder / f"iconify-json-{style}-{version}.tgz" for style, version in PACKAGES.items()}
    contents = {style: read_content(path) for style, path in paths.items()}
    emoji = read_emoji(folder / NAMES)
    icons = match(emoji, contents)
    drawings = {style: read_icons(content) for style, content in contents.items()}
    shown = {s: {thing: draw(drawings[s][icon], SIZE) for thing, icon in icons[s].items()} for s in PACKAGES}
    kept = without_copies(shown)
    hands = Counter(thing for style, things in kept.items() if style not in REPEATS for thing in things)
    things = [each for each in emoji if hands[each.name] >= FEWEST]
    drawn = {each.name: [style for style in PACKAGES if each.name in kept[style]] for each in things}
    masks = {
        s: {
            e.name: draw(drawings[s][icons[s][e.name]], 2 * SIZE, None)[..., 3] > 127
            for e in things
            if s in drawn[e.name]
        }
        for s in PACKAGES
    }
    for pair, common in sorted(overlaps(masks).items(), key=lambda item: -item[1]):
        print(f"{common:.3f}", *pair)
    parts = split(things)
    order = list(PACKAGES)
    return {
        "packages": {s: [v, hashlib.sha256(paths[s].read_bytes()).hexdigest()] for s, v in PACKAGES.items()},
        "repeats": REPEATS,
        "groups": {each.subgroup: each.group for each in things},
        **{
            part: {
                subgroup: {
                    each.name: f"{each.code} {''.join(chr(97 + order.index(style)) for style in drawn[each.name])}"
                    for each in things
                    if each.subgroup == subgroup
                }
                for subgroup in subgroups
            }
            for part, subgroups in parts.items()
        },
        "icons": {
            style: {
                each.name: icon
                for each in things
                if style in drawn[each.name] and (icon := icons[style][each.name]) != each.name
            }
            for style in PACKAGES
        },
    }


def written(data: Mapping[str, Any]) -> str:
    """As JSON with a line for each entry of what is in it, which shows what a change changes."""

    def value(key: str, entry: Any) -> str:
        if not isinstance(entry, dict) or key == "groups":
            return json.dumps(entry)
        return "{\n" + ",\n".join(f'  "{name}": {json.dumps(each)}' for name, each in entry.items()) + "\n }"

    return "{\n" + ",\n".join(f' "{key}": {value(key, entry)}' for key, entry in data.items()) + "\n}\n"


def main(folder: Path) -> None:
    target = Path(splits.__file__).parent / "emoji.json"
    data = choose(folder)
    things = read_things(data, "")
    images = torch.from_numpy(render(data, things, folder, "", SIZE))
    names = {part: [name for members in data[part].values() for name in members] for part in PARTS}
    dataset = by_names(bank_of("emoji", images, things, 1, None), "emoji", SPLIT, names)
    fingerprints = {part: getattr(dataset, part).fingerprint for part in PARTS}
    target.write_text(written({"about": ABOUT, "source": SOURCE, "fingerprints": fingerprints, **data}), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
