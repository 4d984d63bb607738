"""csv:FILE: your own texts: a CSV file, also .gz, of columns `text` and `label`.

One row per text, in UTF-8 (or UTF-16 with a byte order mark), with a header. Further columns that are read: `group`
(what a class belongs to), `text_b` (a second text, which makes each item a pair) and `split` (`train` or `test`; which
texts are queries of --task all-way; without it the second half of each class, shuffled by a fixed rule). Where train,
validation and test have classes of their own, they are the split; else classes are split by --split seed=N,
small-seed=N, or a .json file.
"""

from __future__ import annotations

from pathlib import Path

from episodes.banks.text import TextBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.text.reading import read_rows
from episodes.datasets.text.table import NEEDED, POSSIBLE, Table, find_file, load_all_table, load_table

KIND = "text"
TAKES = "FILE"  # as users write it: csv:FILE

PREFIX = "csv:"


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """All rows of the file, the classes split as `episodes.datasets.splitting.split_classes` says.

    What is left out, and texts that are there twice, are warned of.

    Raises:
        DataError: a missing or unreadable file or column, a row that does not fit, or too few classes.
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
    """All rows of a file; errors as of `load`."""
    table, columns = Table(path), (*NEEDED, *POSSIBLE)
    advice = "name the columns text and label in the first line, with commas between them"
    for row in read_rows(path, NEEDED, POSSIBLE, advice=advice):
        table.add(f"line {row.line:,}", dict(zip(columns, row.fields, strict=True)))
    return table
