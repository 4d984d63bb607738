"""Text files: their bytes as text, or one line that says what is wrong with them."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import json
import re
import unicodedata
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple, TextIO, cast

from episodes.errors import DataError, counted, renamed
from episodes.files.json_text import json_fault, keys_once

GZIP = b"\x1f\x8b"
PACKED_OTHERWISE = {b"BZh": "bzip2", b"\xfd7zXZ\0": "xz", b"PK\x03\x04": "ZIP", b"\x28\xb5\x2f\xfd": "Zstandard"}
BLOCK = 2**20  # bytes that are read at once where a fault is looked for
MOST_FIELD = 2**31 - 1  # characters of one field of a table; Python's own limit is 131,072

# What no text needs and some files have, the mark between the texts of a pair (`PARTS`) among them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # half a character, as JSON can write it, and UTF-8 cannot


def clean(text: str) -> str:
    """The text with line ends as `\\n`, and a space for every other control character but the tab."""
    if text.isprintable():  # most are, and this is fast
        return text
    return _CONTROL.sub(" ", _SURROGATE.sub("?", text).replace("\r\n", "\n").replace("\r", "\n"))


@lru_cache(maxsize=2**16)
def clean_label(text: str) -> str:
    """A label in Unicode's composed form (NFC), with one space for every stretch of white space, none at its ends."""
    return unicodedata.normalize("NFC", " ".join(clean(text).split()))


@contextmanager
def opened(path: Path, newline: str | None = None) -> Iterator[TextIO]:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark; unpacked first if it is gzip's.

    Args:
        path: the file.
        newline: as for `open`.

    Raises:
        DataError: the file cannot be read, or is in another encoding; also while it is read within the context.
    """
    try:
        with path.open("rb") as raw:
            first = raw.read(6)
            for mark, method in PACKED_OTHERWISE.items():
                if first.startswith(mark):
                    raise DataError(f"'{path}' is packed by {method}; unpack it, or pack it by gzip")
            packed = first.startswith(GZIP)
            raw.seek(0)
            with cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw as content:
                encoding = _encoding(content)
                with io.TextIOWrapper(content, encoding, newline=newline) as text:
                    yield text
    except UnicodeDecodeError:
        raise _wrong_byte(path, packed) from None
    except EOFError:
        raise DataError(f"'{path}' ends too early for a gzip file; download it again") from None
    except (OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read '{path}': {reason}; repair the file or download it again") from None


def decoded(content: bytes, what: str) -> str:
    """The text of bytes that were read from a file, with line ends as `\\n`.

    Raises:
        DataError: as `opened`; `what` names the file.
    """
    try:
        text = content.decode(_encoding(io.BytesIO(content)))
    except UnicodeDecodeError:
        raise _wrong_encoding(what, io.BytesIO(content)) from None
    _refuse_nul(text, what, 1 + text.count("\n", 0, max(text.find("\0"), 0)))
    return clean(text)


def lines(text: Iterable[str], path: Path) -> Iterator[str]:
    """The lines of an opened file; raises DataError for one with a NUL character."""
    for number, line in enumerate(text, 1):
        if "\0" in line:
            _refuse_nul(line, f"'{path}'", number)
        yield line


def read_json(path: Path, advice: str = "download it again", most: int | None = None) -> Any:
    """The content of a JSON file; `advice` is how the error for another ends.

    Raises:
        DataError: it cannot be read, is no JSON, or has more than `most` characters.
    """
    with opened(path) as file:
        text = file.read(-1 if most is None else most + 1)
        if most is not None and len(text) > most:
            raise DataError(f"'{path}' has more than {most:,} characters; {advice}")
        try:
            return json.loads(text, object_pairs_hook=keys_once)
        except DataError as error:
            raise DataError(f"'{path}' {error}") from None
        except UnicodeDecodeError:  # a ValueError too, of which the context knows more
            raise
        except (ValueError, RecursionError) as error:
            raise DataError(f"'{path}' is not valid JSON: {json_fault(error)}; {advice}") from None


class Row(NamedTuple):
    """One row of a table: the line that it begins on, and its fields in the order asked for; None for no column."""

    line: int
    fields: list[str | None]


def read_header(path: Path) -> tuple[list[str], bool]:
    """The names of a table's columns, and whether tabs are between them: where its first line has some and no comma.

    Raises:
        DataError: as `opened`, or the line is not a row of a table.
    """
    with _own_limit(), opened(path, newline="") as file:
        found = lines(file, path)
        first = next(found, "")
        tabs = "\t" in first and "," not in first
        try:
            return _names(_reader(itertools.chain([first], found), tabs)), tabs
        except csv.Error as error:
            raise _bad_row(path, 1, error) from None


def read_rows(
    path: Path, needed: Sequence[str], possible: Sequence[str] = (), *, tabs: bool = False, advice: str
) -> Iterator[Row]:
    """The rows of a table with a header: of commas, where quoted fields may have commas and line ends, or of tabs.

    Args:
        path: the file.
        needed: columns that must be there.
        possible: columns that may be.
        tabs: fields are between tabs, and quotation marks are theirs.
        advice: how the error for a missing column ends.

    Raises:
        DataError: a column is missing or there twice, a row has more or fewer fields than the header, a quotation mark
            is not closed; or as `opened`.
    """
    with _own_limit(), opened(path, newline="") as file:
        yield from _rows(_reader(lines(file, path), tabs), path, needed, possible, advice)


@contextmanager
def _own_limit() -> Iterator[None]:
    limit = csv.field_size_limit(MOST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _reader(found: Iterable[str], tabs: bool) -> Any:
    return csv.reader(found, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(found, strict=True)


def _names(reader: Any) -> list[str]:
    """The names of the columns, from the first row."""
    return [name.strip() for name in next(reader, [])]


def _rows(reader: Any, path: Path, needed: Sequence[str], possible: Sequence[str], advice: str) -> Iterator[Row]:
    start = 1
    try:
        header = _names(reader)
        places = _places(path, header, needed, possible, advice)
        width, start = len(header), reader.line_num + 1
        for fields in reader:
            if len(fields) == width:
                yield Row(start, [None if place is None else fields[place] for place in places])
            elif fields:  # and not a blank line
                raise DataError(
                    f"'{path}', line {start}: {counted(len(fields), 'fields')}, and the header has {width}; put fields "
                    "that have a separator or a line end in quotation marks"
                )
            start = reader.line_num + 1
    except csv.Error as error:
        raise _bad_row(path, start, error) from None


def _bad_row(path: Path, line: int, error: csv.Error) -> DataError:
    return DataError(
        f"'{path}', the row of line {line}: {error}; put a field that has quotation marks in quotation marks, and "
        "double those within it"
    )


def _places(
    path: Path, header: list[str], needed: Sequence[str], possible: Sequence[str], advice: str
) -> list[int | None]:
    for name in (*needed, *possible):
        if header.count(name) > 1:
            raise DataError(f"'{path}' has column '{name}' {header.count(name)} times; leave it once")
    if missing := [name for name in needed if name not in header]:
        raise no_column(path, f"column '{missing[0]}'", missing[:1], header, advice)
    refuse_alike(f"'{path}' has column", possible, header)
    return [header.index(name) if name in header else None for name in (*needed, *possible)]


def refuse_alike(found: str, possible: Iterable[str], names: Collection[str]) -> None:
    """Raise DataError, which begins with `found`, for a name that was probably meant to be one of those possible."""
    for name in possible:
        alike = [each for each in names if _letters(each) == _letters(name)]
        if name not in names and alike:
            raise DataError(f"{found} '{alike[0]}'; rename it to '{name}', or to a name that is not alike")


@lru_cache(maxsize=1024)  # the keys of each line of a .jsonl are asked for
def _letters(name: str) -> str:
    """Without what spellings of one word differ in: case, separators and a plural's s."""
    return re.sub(r"[\W_]", "", name.lower()).removesuffix("s")


def no_column(path: Path, what: str, names: Sequence[str], header: Sequence[str], advice: str) -> DataError:
    """The error for a column that is not there: with the nearest to its names, or else `advice`."""
    found = f"columns {', '.join(map(repr, header))}"[:300] if any(header) else "an empty first line"
    meant = next(filter(None, (renamed(name, header) for name in names)), "") if len(header) > 1 else ""
    return DataError(f"'{path}' has no {what}: found {found}{meant or f'; {advice}'}")


def _encoding(content: IO[bytes]) -> str:
    """By the byte order mark that the content begins with; it is then where it was."""
    first = content.read(3)
    content.seek(0)
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


def _wrong_byte(path: Path, packed: bool) -> DataError:
    with gzip.open(path) if packed else path.open("rb") as file:
        return _wrong_encoding(f"'{path}'", cast(IO[bytes], file))


def _wrong_encoding(what: str, content: IO[bytes]) -> DataError:
    """The error that names the first byte that is not of the encoding."""
    encoding = _encoding(content).removesuffix("-sig")
    decoder, before = codecs.getincrementaldecoder(encoding)(), 0
    while True:
        block = content.read(BLOCK)
        try:
            decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            place = before + len(block) - len(error.object) + error.start
            return DataError(
                f"{what} is not {encoding.upper()}: its byte {place + 1:,} (0x{error.object[error.start]:02X}) does "
                f"not fit ({error.reason}); save it as UTF-8"
            )
        before += len(block)


def _refuse_nul(text: str, what: str, line: int) -> None:
    if "\0" in text:
        raise DataError(
            f"{what} has a NUL character in line {line:,}, as no text has, but UTF-16 without a byte order mark and "
            "binary files do; save it as UTF-8"
        )
