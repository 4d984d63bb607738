"""Packages of drawings in the form of Iconify's, whose colours tell which they are, and the list of things for them."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

STYLES = ("emojione", "fluent-emoji-flat", "twemoji", "noto", "noto-v1", "openmoji", "emojione-monotone")
THINGS = {
    "train": {"animal-mammal": ("cat", "1F408"), "animal-bird": ("duck", "1F986"), "tool": ("axe", "1FA93")},
    "validation": {"animal-marine": ("shark", "1F988"), "food": ("egg", "1F95A")},
    "test": {"animal-bug": ("ant", "1F41C"), "plant": ("rose", "1F339"), "sheep": ("ewe", "1F411")},
}
NAMES = [name for members in THINGS.values() for name, _ in members.values()]


def colour(style: str, thing: str) -> tuple[int, int, int]:
    """Of the drawing of a thing in a style."""
    return (20 * (1 + STYLES.index(style)), 20 * (1 + NAMES.index(thing)), 0)


def icons(style: str) -> dict[str, Any]:
    """What a package's `icons.json` holds: of each thing a rectangle over the middle half of the box."""
    drawn = {thing: f'<path fill="rgb{colour(style, thing)}" d="M8 8h16v16h-16z"/>' for thing in NAMES}
    named = {"sheep" if (style, thing) == ("noto", "ewe") else thing: body for thing, body in drawn.items()}
    return {
        "prefix": style,
        "icons": {name: {"body": body} for name, body in named.items()},
        "width": 32,
        "height": 32,
        "aliases": {"ovis": {"parent": "ewe"}},
    }


def packed(**files: Any) -> bytes:
    """A package with these files of JSON."""
    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w:gz") as archive:
        for name, content in {"chars": {}, **files}.items():
            text = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return packing.getvalue()


def make_emoji(folder: Path) -> dict[str, Any]:
    """Write the packages into a folder; returns the list of things that `splits/emoji.json` is for the real ones."""
    folder.mkdir(exist_ok=True)
    packages = {}
    for style in STYLES:
        content = packed(icons=icons(style))
        (folder / f"iconify-json-{style}-1.0.0.tgz").write_bytes(content)
        packages[style] = ["1.0.0", hashlib.sha256(content).hexdigest()]
    return {
        "packages": packages,
        "repeats": {"emojione-monotone": "emojione"},
        "groups": {subgroup: subgroup.partition("-")[0] for members in THINGS.values() for subgroup in members},
        "icons": {**{style: {} for style in STYLES}, "noto": {"ewe": "sheep"}},
        "fingerprints": dict.fromkeys(THINGS, "0" * 32),
        **{
            part: {subgroup: {name: f"{code} abcdefg"} for subgroup, (name, code) in members.items()}
            for part, members in THINGS.items()
        },
    }
