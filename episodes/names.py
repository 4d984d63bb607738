"""The names of datasets and classes, as they are written, without what it takes to read a dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from episodes.plugins import plugin_names

GROUP = "episodes.datasets"
FILES = ("csv:", "jsonl:", "table:", "conll:", "squad:")  # what begins the name of a dataset at a place of the user's
FOLDERS = ("folder:", "txt:")  # likewise


@cache
def _next() -> str:
    """The name of a dataset, whole but for what follows a colon, for a pattern."""
    placed = {each[:-1] for each in (*FILES, *FOLDERS)}  # with the colon, since paths may have the word
    names = [re.escape(name) + (":" if name in placed else r"(?=[:+]| to |$)") for name in plugin_names(GROUP)]
    return f"(?={'|'.join(names)})"


def parts(name: str) -> list[str]:
    """The datasets that a name mixes; a plus that no dataset's name follows may be part of a path."""
    return re.split(rf"\+{_next()}", name)


def short_name(name: str) -> str:
    """The name with every path cut to the folder's or file's own name: `folder:/data/tiny/` gives `folder:tiny`.

    Records and leaderboard know it by that, and by the fingerprint of what is in it, never by a place on a machine.

    Args:
        name: of one dataset, of several (`omniglot+folder:/data/tiny`), or of a test on another (`glyphs to omniglot`).
    """
    return "".join(map(_short, re.split(rf"(\+| to ){_next()}", name)))


def full_name(name: str) -> str:
    """The name with a path that ends in no name of a folder, as `.`, `..` or `~`, written in full."""
    return "+".join(map(_full, parts(name)))


def placed(name: str) -> list[tuple[str, str]]:
    """The paths in the name, as they stand there, each with what is before it: `("folder:", "/data/tiny")`."""
    return [(prefix, path) for prefix, path in map(place_of, parts(name)) if prefix]


def place_of(name: str) -> tuple[str, str]:
    """The name of one dataset as what says how it is read, e.g. `csv:`, and its path; two empty texts without one."""
    prefix = next((each for each in (*FILES, *FOLDERS) if name.startswith(each)), "")
    return (prefix, name.removeprefix(prefix)) if prefix else ("", "")


def _short(name: str) -> str:
    prefix, path = place_of(name)
    return prefix + (Path(path).name or path) if prefix else name


def _full(name: str) -> str:
    prefix, path = place_of(name)
    nameless = path and Path(path).name in ("", "..", "~")
    return prefix + str(Path(path).expanduser().resolve()) if nameless else name


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
