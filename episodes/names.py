"""The names of datasets and classes, as they are written, without what it takes to read a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from episodes.plugins import plugin_names

GROUP = "episodes.datasets"
FOLDER = "folder:"


@cache
def _next() -> str:
    """What begins the name of a dataset, for a pattern."""
    return rf"(?={'|'.join(map(re.escape, plugin_names(GROUP)))})"


def parts(name: str) -> list[str]:
    """The datasets that a name mixes; a plus that no dataset's name follows may be part of a path."""
    return re.split(rf"\+{_next()}", name)


def short_name(name: str) -> str:
    """The name with every folder's path cut to the folder's own name: `folder:/data/tiny/` gives `folder:tiny`.

    Records and leaderboard know a folder by it, and by the fingerprint of what is in it, never by a place on a machine.

    Args:
        name: of one dataset, of several (`omniglot+folder:/data/tiny`), or of a test on another (`glyphs to omniglot`).
    """
    return "".join(map(_short, re.split(rf"(\+| to ){_next()}", name)))


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
