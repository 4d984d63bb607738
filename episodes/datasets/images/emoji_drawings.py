"""Drawings of emoji: read from an npm package of Iconify's, and rendered."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from episodes.errors import DataError
from episodes.extras import need

WHITE = "#ffffff"


@dataclass(frozen=True)
class Icon:
    """A drawing as Iconify has it.

    Attributes:
        body: what is inside of the `svg` element.
        box: left, top, width and height of what it shows, in its own units.
    """

    body: str
    box: tuple[float, float, float, float]


def check_package(path: Path, sha256: str, command: str) -> None:
    """Raise DataError unless the file is, to the byte, the package with that SHA-256, which the command gets.

    No other check is needed: SVG may ask its reader for other files, or for more memory than there is, and nothing is
    unpacked or rendered but the known packages.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror}; remove it, and run there: {command}") from None
    if digest != sha256:
        raise DataError(
            f"'{path}' is not the package that was published (its SHA-256 begins with {digest[:16]}, not "
            f"{sha256[:16]}); remove it, and run there: {command}"
        )


def read_content(path: Path) -> dict[str, Any]:
    """What `icons.json` of a package holds, with what `chars.json` does under `chars`: names of icons by code point."""
    with tarfile.open(path) as archive:
        members = (archive.extractfile(f"package/{name}.json") for name in ("icons", "chars"))
        icons, chars = (json.load(member) for member in members if member)
    return {**icons, "chars": chars}


def read_icons(content: dict[str, Any]) -> dict[str, Icon]:
    """The icons of a package by name; aliases are no icons of their own."""
    usual = {"left": 0, "top": 0, "width": content["width"], "height": content["height"]}
    return {
        name: Icon(icon["body"], tuple(icon.get(side, usual[side]) for side in usual))  # type: ignore[arg-type]
        for name, icon in content["icons"].items()
    }


def draw(icon: Icon, size: int, ground: str | None = WHITE, transform: str = "") -> np.ndarray[Any, Any]:
    """The drawing as large as fits, in the middle of `[size, size, 3]` uint8.

    Args:
        icon: the drawing.
        size: of the picture's sides, in pixels.
        ground: the colour that it is put on; None for none, and a fourth channel, of opacity.
        transform: of SVG, in the drawing's own units.
    """
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{size}" height="{size}" viewBox="{" ".join(map(str, icon.box))}">'
        f'<g transform="{transform}">{icon.body}</g></svg>'
    )
    # The known packages have no text, so that fonts, which differ between machines, have no part in it.
    png = need("resvg_py", "emoji", "dataset 'emoji'").svg_to_bytes(
        svg_string=svg, background=ground, skip_system_fonts=True
    )
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB" if ground else "RGBA"))
