"""How the things of `emoji` were matched, which drawings are one hand's, and how whole subgroups were split."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from episodes.dataset import PARTS
from episodes.datasets.images.choose_emoji import (
    PACKAGES,
    REPEATS,
    Emoji,
    match,
    overlap,
    overlaps,
    read_emoji,
    split,
    without_copies,
    written,
)
from episodes.datasets.images.emoji_drawings import draw, read_content, read_icons
from episodes.datasets.splitting import published


def test_emoji_of_one_code_point_are_read_with_their_groups(tmp_path: Path) -> None:
    names = [
        {"label": "men\u2019s room", "hexcode": "1F6B9", "group": 8, "subgroup": 83, "order": 3},
        {"label": "Mount Fuji", "hexcode": "1F5FB-FE0F", "group": 5, "subgroup": 50, "order": 2},
        {"label": "polar bear", "hexcode": "1F43B-200D-2744-FE0F", "group": 3, "subgroup": 34, "order": 1},
        {"label": "light skin tone", "hexcode": "1F3FB", "group": 2, "subgroup": 32, "order": 0},
        {"label": "regional indicator A", "hexcode": "1F1E6"},
    ]
    known = {
        "groups": {"2": "component", "3": "animals-nature", "5": "travel-places", "8": "symbols"},
        "subgroups": {"32": "skin-tone", "34": "animal-mammal", "50": "place-geographic", "83": "transport-sign"},
    }
    path = tmp_path / "names.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {"en/data": names, "meta/groups": known}.items():
            text = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    assert read_emoji(path) == [
        Emoji("mount-fuji", "1F5FB", "travel-places", "place-geographic"),
        Emoji("mens-room", "1F6B9", "symbols", "transport-sign"),
    ]


def content(icons: list[str], chars: dict[str, str] | None = None, **aliases: str) -> dict[str, Any]:
    about = {name.replace("_", "-"): {"parent": parent} for name, parent in aliases.items()}
    return {"icons": {icon: {"body": ""} for icon in icons}, "chars": chars or {}, "aliases": about}


def test_icons_are_matched_by_code_point_or_by_a_name_that_one_thing_has() -> None:
    emoji = [
        Emoji(name, code, "animals-nature", "animal-mammal")
        for name, code in {"ewe": "1F411", "cat": "1F408", "cat-face": "1F431", "ox": "1F402", "bear": "1F43B"}.items()
    ]
    contents = {
        "noto": content(["ewe", "kitty", "cat-face"], {"1f411": "ewe", "1f408": "kitty"}, grizzly="bear"),
        "twemoji": content(["bear-1"], {"1f43b-fe0f": "bear-1"}, bruin="bear-1", cow="ox"),
        "fxemoji": content(["sheep", "cat", "catside", "ox"]),
        "emojione": content(["kitty", "catface", "old", "bruin", "cow"], ewe="old"),
        "streamline-emojis": content(["ox-1", "ox-2"]),
    }
    assert match(emoji, contents) == {
        "noto": {"ewe": "ewe", "cat": "kitty"},
        "twemoji": {"bear": "bear-1"},
        # fxemoji calls the face so, as CORRECTIONS says for all of its animals, those that are no things here too.
        "fxemoji": {"ewe": "sheep", "ox": "ox", **FXEMOJI},
        "emojione": {"cat": "kitty", "cat-face": "catface", "ewe": "old", "bear": "bruin"},
        "streamline-emojis": {"ox": "ox-1"},
    }


FXEMOJI = {
    **{name: f"{name}side" for name in ("cat", "dog", "leopard", "mouse", "pig", "tiger", "dragon")},
    **{f"{name}-face": name for name in ("cat", "dog", "mouse", "pig", "tiger")},
    **{"rabbit": "bunnyside", "rabbit-face": "bunny", "dragon-face": "dragonhead"},
}


def test_copies_and_what_is_not_seen_are_left_out() -> None:
    generator = np.random.default_rng(0)
    cat, ewe, ox = generator.integers(0, 200, (3, 32, 32, 3), dtype=np.uint8)
    nearly = cat.copy()
    nearly[:2] += 9  # by 9 in a sixteenth of the picture, 0.56 on average
    other = cat.copy()
    other[:4] += 9  # 1.1 on average
    nothing = np.full((32, 32, 3), 255, dtype=np.uint8)
    pictures = {
        "noto": {"cat": cat, "kitty": nearly, "ewe": ewe, "fog": nothing},
        "noto-v1": {"cat": cat, "ewe": ewe, "ox": ox, "fog": cat, "kitty": other},
        "twemoji": {"ewe": ox, "cat": other},
        "emojione-monotone": {"ewe": ewe},
    }
    assert without_copies(pictures) == {
        "noto": {"ewe"},
        "noto-v1": {"ox", "kitty"},
        "twemoji": {"ewe", "cat"},
        "emojione-monotone": {"ewe"},  # which repeats another's
    }


def test_silhouettes_overlap_whatever_their_size_and_place() -> None:
    square, ring, tall, corner = (np.zeros((64, 64), dtype=bool) for _ in range(4))
    square[10:34, 20:44] = True
    ring[2:50, 5:53] = True
    ring[20:30, 20:30] = False
    tall[0:48, 8:32] = True
    corner[8:32, 8:32] = True
    corner[8:20, 8:20] = False
    assert overlap(square, ring) == 1
    assert overlap(square, tall) == pytest.approx(1 / 2)  # by the proportions of its box
    assert overlap(square, corner) == pytest.approx(3 / 4)
    found = overlaps({"a": {"x": square, "y": square}, "b": {"x": ring, "y": corner, "z": tall}, "c": {"z": tall}})
    assert found == {("a", "b"): pytest.approx(7 / 8), ("b", "c"): 1}


def test_two_styles_repeat_the_drawings_of_another_and_no_more_do(data_root: Path) -> None:
    """As measured on the real drawings of some things of all groups."""
    data = published("emoji")
    things = {name: about for part in PARTS for members in data[part].values() for name, about in members.items()}
    wanted = sorted(name for name, about in things.items() if len(about.split()[1]) == 11)[::12]
    assert len(wanted) > 20
    masks = {}
    for style, version in PACKAGES.items():
        icons = read_icons(read_content(data_root / "emoji" / f"iconify-json-{style}-{version}.tgz"))
        drawn = {name: icons[data["icons"][style].get(name, name)] for name in wanted}
        masks[style] = {name: draw(icon, 64, None)[..., 3] > 127 for name, icon in drawn.items()}
    found = overlaps(masks)
    repeats = {tuple(sorted(pair)) for pair in REPEATS.items()}
    assert min(found[pair] for pair in repeats) > 0.93
    assert max(common for pair, common in found.items() if pair not in repeats) < 0.85


def test_whole_subgroups_are_split_by_a_share_of_each_group() -> None:
    sizes = {f"animal-{letter}": 5 for letter in "abcdefghij"} | {"flag": 4, "food-a": 30, "food-b": 6, "food-c": 4}
    emoji = [Emoji(f"{s}{n}", "", s.split("-")[0], s) for s, size in sizes.items() for n in range(size)]
    parts = split(emoji)
    assert sorted(name for names in parts.values() for name in names) == sorted(sizes)
    counts = {part: sum(name.startswith("animal") for name in names) for part, names in parts.items()}
    assert counts == {"train": 6, "validation": 2, "test": 2}
    assert {"flag", "food-a"} <= set(parts["train"])
    other = split(emoji[::-1])  # in which groups come in another order
    assert {part: set(names) for part, names in parts.items()} == {part: set(names) for part, names in other.items()}


def test_the_list_is_written_as_json_line_by_line() -> None:
    data = published("emoji")
    text = written(data)
    assert json.loads(text) == data
    assert '\n  "animal-mammal": {"monkey-face": "1F435 a' in text
    assert {style: version for style, (version, _) in data["packages"].items()} == PACKAGES
    assert data["repeats"] == REPEATS
