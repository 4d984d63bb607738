"""The names of datasets and classes, as they are written, without what it takes to read a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

SOURCES = {
    "glyphs": "built in: characters of 12 typefaces, whole scripts unseen at test; no download",
    "omniglot": "handwritten characters of 50 alphabets (Lake et al. 2015); --split vinyals, lake or one-shot",
    "mini-imagenet": "100 classes of photographs, 84 x 84 (Vinyals et al. 2016; split of Ravi and Larochelle 2017)",
    "tiered-imagenet": "608 classes of photographs, 84 x 84, whole superclasses unseen at test (Ren et al. 2018)",
    "cifar-fs": "CIFAR-100, 32 x 32, split 64 / 16 / 20 (Bertinetto et al. 2019)",
    "fc100": "CIFAR-100, 32 x 32, whole superclasses unseen at test (Oreshkin et al. 2018)",
    "cub": "200 species of birds, 84 x 84 (Wah et al. 2011; split of Chen et al. 2019)",
    "sinusoid": "few-shot regression: sine curves (Finn et al. 2017); built in, no download",
    "folder:PATH": "your own pictures: one folder a class under PATH, or a .zip or .tar of that",
    "torchvision:NAME": "a torchvision classification dataset, e.g. torchvision:FashionMNIST",
}
FOLDER = "folder:"
NEXT = rf"(?={'|'.join(source.split(':')[0] for source in SOURCES)})"


def parts(name: str) -> list[str]:
    """The datasets that a name mixes; a plus that no dataset's name follows may be part of a path."""
    return re.split(rf"\+{NEXT}", name)


def short_name(name: str) -> str:
    """The name with every folder's path cut to the folder's own name: `folder:/data/tiny/` gives `folder:tiny`.

    Records and leaderboard know a folder by it, and by the fingerprint of what is in it, never by a place on a machine.

    Args:
        name: of one dataset, of several (`omniglot+folder:/data/tiny`), or of a test on another (`glyphs to omniglot`).
    """
    return "".join(map(_short, re.split(rf"(\+| to ){NEXT}", name)))


def full_name(name: str) -> str:
    """The name with a path that ends in no name of a folder, as `.`, `..` or `~`, written in full."""
    return "+".join(map(_full, parts(name)))


def folders(name: str) -> list[str]:
    """The paths in the name, as they stand there."""
    return [each.removeprefix(FOLDER) for each in parts(name) if each.startswith(FOLDER)]


def _short(name: str) -> str:
    if not name.startswith(FOLDER):
        return name
    path = name.removeprefix(FOLDER)
    return FOLDER + (Path(path).name or path)


def _full(name: str) -> str:
    path = Path(name.removeprefix(FOLDER))
    nameless = name.startswith(FOLDER) and name != FOLDER and path.name in ("", "..", "~")
    return FOLDER + str(path.expanduser().resolve()) if nameless else name


def split_names(text: str) -> tuple[str, ...]:
    """Names of classes between commas; one that has a comma, a quotation mark or a space at an end is quoted as in CSV.

    `cat, "sheep, wild"` gives `cat` and `sheep, wild`.

    Raises:
        ValueError: a quotation mark that is not closed.
    """
    names, rest = [], text
    while True:
        found = re.match(r'\s*(?:"((?:[^"]|"")*)"\s*|([^",][^,]*|))(,|$)', rest, re.DOTALL)
        if not found:
            raise ValueError(f"the quotation mark of {rest.strip()!r:.40} is not closed before a comma or the end")
        quoted, bare, comma = found.groups()
        names.append(bare.strip() if quoted is None else quoted.replace('""', '"'))
        rest = rest[found.end() :]
        if not comma:
            return tuple(names)


def join_names(names: Iterable[str]) -> str:
    """The text that `split_names` takes apart again."""
    return ",".join(map(_quoted, names))


def _quoted(name: str) -> str:
    if name == name.strip() and "," not in name and not name.startswith('"'):
        return name
    return '"' + name.replace('"', '""') + '"'
