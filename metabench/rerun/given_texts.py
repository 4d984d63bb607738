"""The labelled texts and the queries that a user gives."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from episodes.banks.text import TextBank
from episodes.banks.vocabulary import PARTS, TextShape
from episodes.datasets.text import csv_file, jsonl_file, txt_folder
from episodes.datasets.text.reading import clean, clean_label, lines, opened, read_rows
from episodes.datasets.text.table import Table
from episodes.errors import DataError
from episodes.files.archives import is_archive
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.rerun.given import Support, by_label, sorted_by_label

CSV, JSONL, TXT = (".csv", ".csv.gz"), (".jsonl", ".jsonl.gz"), (".txt", ".txt.gz")
TEXT, SECOND = "text", "text_b"  # columns of queries


def read_texts(
    support: Support, queries: Sequence[str] | Path, shape: TextShape
) -> tuple[list[str], list[str], TextBank]:
    """The classes, the queries, and a bank of the labelled texts with the queries as last class, with token ids.

    Args:
        support: a .csv or .jsonl file of columns `text` and `label` (see `csv:FILE`), a folder or archive of .txt files
            by class, or labels with texts.
        queries: texts; or a file of them: .csv or .jsonl with a column `text`, or .txt with one on each line.
        shape: says by which vocabulary, and how many tokens a text may have.

    Raises:
        UsageError, episodes.DataError: something is missing or cannot be read.
    """
    if isinstance(support, str | Path):
        texts, labels = _table(Path(support)).rows()
        if not texts:
            raise UsageError(f"--support '{support}' has no texts; give it examples of at least two classes")
    else:
        examples, labels = by_label(support)
        texts, labels = [_text(example, "support") for example in examples], list(map(clean_label, labels))
        if not all(labels):
            raise UsageError("support: found an empty label; give it a name")
    asked = _of_file(queries) if isinstance(queries, Path) else _given(queries)
    if len({PARTS in text for text in texts + asked}) > 1:
        raise UsageError(
            f"some texts are pairs (with {SECOND}) and others are not; give labelled texts and queries alike, both "
            f"parts in columns {TEXT} and {SECOND}"
        )
    classes, numbers = sorted_by_label(labels)
    keys = [str(number) for number in range(len(classes) + 1)]
    bank = TextBank.from_labels("texts", texts + asked, numbers + [len(classes)] * len(asked), keys, keys)
    return classes, asked, _with_ids(bank, shape)


def _with_ids(bank: TextBank, shape: TextShape) -> TextBank:
    ids, ends, cut = shape.vocabulary.encode(list(bank.texts()), shape[0])
    if cut:
        warnings.warn(
            f"the end of {cut:,} of the {len(bank):,} texts is cut, after {shape[0]} tokens, the most in the run",
            stacklevel=4,
        )
    return replace(bank, ids=torch.from_numpy(ids + 1), id_ends=torch.from_numpy(ends), shape=shape)


def _table(path: Path) -> Table:
    reader: Callable[[Path], Table] | None = None
    if path.is_dir() or (path.is_file() and is_archive(path)):
        reader = txt_folder.read
    elif path.is_file() and _ends(path, CSV):
        reader = csv_file.read
    elif path.is_file() and _ends(path, JSONL):
        reader = jsonl_file.read
    if reader is None:
        found = "there is nothing of that name" if not os.path.lexists(path) else "it is none of these"
        raise UsageError(
            f"--support '{path}': {found}; give a .csv or .jsonl file with texts and labels, or a folder of .txt files "
            "per class"
        )
    return reader(path)


def _of_file(path: Path) -> list[str]:
    if not path.is_file() or not _ends(path, CSV + JSONL + TXT):
        found = "it is none of these" if os.path.lexists(path) else "there is nothing of that name"
        raise UsageError(
            f"--queries '{path}': {found}; give a .txt file with a query on each line, or .csv or .jsonl with a column "
            f"{TEXT}"
        )
    if _ends(path, TXT):
        with opened(path) as file:
            texts = [text for line in lines(file, path) if (text := clean(line).strip())]
    else:
        texts = _rows(path)
    if not texts:
        raise UsageError(f"--queries '{path}' has no queries; give it at least one")
    return texts


def _rows(path: Path) -> list[str]:
    found: list[str] = []
    if _ends(path, CSV):
        advice = f"name the column of the queries {TEXT} in the first line"
        read = ((f"line {row.line:,}", row.fields) for row in read_rows(path, (TEXT,), (SECOND,), advice=advice))
    else:
        objects = jsonl_file.read_objects(path, (TEXT,))
        read = ((where, [values[TEXT], values[SECOND]]) for where, values in objects)
    for where, fields in read:
        texts = [clean(field).strip() for field in fields if field is not None]
        if not texts or not all(texts):
            raise DataError(f"'{path}', {where}: an empty query; give it a text, or remove the row")
        found.append(PARTS.join(texts))
    return found


def _given(queries: Sequence[str]) -> list[str]:
    for query in queries:
        named = isinstance(query, str) and query.lower().endswith(CSV + JSONL + TXT)
        if named and os.path.isfile(query):  # noqa: PTH113 - a text may be what no path can be
            raise UsageError(f"the query '{plain(query, 100)}' is a file; give it by --queries, or as a pathlib.Path")
        if named and len(query.split()) == 1:
            raise UsageError(f"the query '{plain(query, 100)}' is the name of a file that is not there; give a text")
        if isinstance(query, str) and os.sep in query and os.path.isdir(query):  # noqa: PTH112 - as above
            raise UsageError(f"the query '{plain(query, 100)}' is a folder; give texts, or a file of them by --queries")
    return [_text(query, "queries") for query in queries]


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise UsageError(f"{where}: give texts; found {plain(repr(value), 60)}")
    text = PARTS.join(clean(part).strip() for part in value.split(PARTS))
    if not text:
        raise UsageError(f"{where}: found an empty text; give it words, or leave it out")
    return text


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(endings)
