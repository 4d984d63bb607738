"""jsonl:FILE: your own texts: JSON Lines, also .gz, one object with `text` and `label` per line.

In UTF-8 (or UTF-16 with a byte order mark). Labels are strings, whole numbers, or true and false. Further keys that are
read: `group`, `text_b` and `split`, as the columns of csv:FILE. Classes are split by --split seed=N, small-seed=N, or a
.json file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from episodes.banks.text import TextBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.text.reading import lines, opened, refuse_alike
from episodes.datasets.text.table import NEEDED, POSSIBLE, Table, find_file, load_all_table, load_table
from episodes.errors import DataError, renamed
from episodes.files.json_text import json_fault, json_kind, keys_once

KIND = "text"
TAKES = "FILE"  # as users write it: jsonl:FILE

PREFIX = "jsonl:"


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """All lines of the file, the classes split as `episodes.datasets.splitting.split_classes` says.

    What is left out, and texts that are there twice, are warned of.

    Raises:
        DataError: a missing or unreadable file, a line that does not fit, or too few classes.
    """
    root = find(name, options)
    return load_table(PREFIX, root, read(root), options)


def load_all(name: str, options: DataOptions) -> tuple[TextBank, TextBank]:
    """All classes for training and for test (see `Table.load_all`).

    Raises:
        DataError: as `load`, a split, or a class with too few texts.
    """
    root = find(name, options)
    return load_all_table(PREFIX, root, read(root), options)


def find(name: str, options: DataOptions) -> Path:
    """The file itself; raises DataError where it is not there."""
    return find_file(PREFIX, name, options)


def read(path: Path) -> Table:
    """All lines of a file; errors as of `load`."""
    table = Table(path)
    for where, values in read_objects(path):
        table.add(where, values)
    return table


def read_objects(path: Path, needed: Sequence[str] = NEEDED) -> Iterator[tuple[str, dict[str, str | None]]]:
    """Where each object is, e.g. `line 7`, and its values by key; None for a key that it does not have.

    Raises:
        DataError: a line that is no object, or without one of the keys that are needed; or as `reading.opened`.
    """
    with opened(path) as file:
        for number, line in enumerate(lines(file, path), 1):
            if not line.isspace():
                where = f"line {number:,}"
                yield where, _values(path, where, line, needed)


def _values(path: Path, where: str, line: str, needed: Sequence[str]) -> dict[str, str | None]:
    try:
        content = json.loads(line, object_pairs_hook=keys_once)
    except DataError as error:
        raise DataError(f"'{path}', {where}: {error}") from None
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else json_fault(error)
        raise DataError(f"'{path}', {where}: not valid JSON ({reason}); put one object on each line") from None
    if not isinstance(content, dict):
        raise DataError(f"'{path}', {where}: {json_kind(content)}, not an object; put one object on each line")
    for name in needed:
        if name not in content:
            found = f"keys {', '.join(map(repr, content))}"[:300] if content else "an empty object"
            meant = renamed(name, content) if len(content) > 1 else ""
            advice = meant or f"; name {'it' if len(needed) == 1 else 'them'} {' and '.join(needed)}"
            raise DataError(f"'{path}', {where}: no '{name}': found {found}{advice}")
    refuse_alike(f"'{path}', {where}: found the key", POSSIBLE, content)
    return {name: _text(path, where, name, content.get(name)) for name in (*NEEDED, *POSSIBLE)}


def _text(path: Path, where: str, name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and name != "text" and name != "text_b":
        return json.dumps(value)  # true and false as they are in the file
    raise DataError(f"'{path}', {where}: '{name}' is {json_kind(value)}; put it in quotation marks as a string")
