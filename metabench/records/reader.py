"""Records, read back and checked: one, or many at once."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv
from pydantic import ValidationError

from episodes.errors import DataError
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.parts import MOST_ERROR
from metabench.records.predictions import digest, predictions_file
from metabench.records.record import ACCURACIES_FILE, RECORD_FILE, SCORES_FILE, RunRecord

# No record has a larger file: ten million tasks take less.
MOST_BYTES, MOST_BYTES_OF_TASKS = 2**25, 2**29
BYTES_AT_ONCE = 2**22  # of tables
COLUMNS = ("episode", "learner")
CSV = {
    "read_options": csv.ReadOptions(use_threads=False),
    "parse_options": csv.ParseOptions(quote_char=False),
}


def record_file(path: str | Path) -> Path:
    """The record that is meant by a run's folder, or by the file itself."""
    path = Path(path)
    return path / RECORD_FILE if path.is_dir() else path


def scores_file(folder: Path) -> Path:
    """The table of scores in a run's folder, of whichever version; where there is none, where it would be."""
    old = folder / ACCURACIES_FILE
    return old if old.exists() and not (folder / SCORES_FILE).exists() else folder / SCORES_FILE


def read_record(path: Path) -> tuple[RunRecord, NDArray[np.float64]]:
    """A record and its metric on each task, `[episodes]`, checked against each other.

    A file of predictions must be the one that the record knows; `metabench.records.predictions.read_predictions` checks
    what is in it.

    Args:
        path: the JSON file; the scores, and the predictions if they were kept, lie beside it.

    Raises:
        UsageError: names the file and what is wrong with it.
    """
    (read,) = read_records([path])
    if isinstance(read, UsageError):
        raise read
    return read


def read_companions(path: Path, record: RunRecord) -> dict[str, NDArray[np.float64]]:
    """The metric of each of a record's companions on each task, `[episodes]` by name, checked against the record.

    Args:
        path: of the JSON file.
        record: it.

    Raises:
        UsageError: the table of scores cannot be read, or does not fit the record.
    """
    names, table = list(record.companions), _table(path)
    columns = _read_table(table, ("episode", *names))
    if isinstance(columns, ValueError):
        raise _unreadable(path, columns)
    means = (score.mean for score in record.companions.values())
    return {
        name: _scores_of(np.stack([columns[0], column]), path, record, mean)
        for name, column, mean in zip(names, columns[1:], means, strict=True)
    }


def read_records(paths: Iterable[Path]) -> Iterator[tuple[RunRecord, NDArray[np.float64]] | UsageError]:
    """The same of each, in order, with the error in its place where `read_record` would raise one.

    Tables are read many at a time, since a fast reader takes longer to start than to read one of 600 tasks.
    """
    waiting: list[tuple[Path, RunRecord, bytes] | UsageError] = []
    size = 0
    for path in paths:
        try:
            record = _record(path)
            table = _table(path)
            _check_predictions(predictions_file(path.parent), path, record)
            waiting.append((path, record, table))
            size += len(table)
        except UsageError as error:
            waiting.append(error)
        if size > BYTES_AT_ONCE:
            yield from _with_scores(waiting)
            waiting, size = [], 0
    yield from _with_scores(waiting)


def _record(path: Path) -> RunRecord:
    try:
        record = RunRecord.model_validate_json(_bytes(path, MOST_BYTES))
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(
            f"cannot read record '{path}': {reason}; name a run's folder, or the {RECORD_FILE} in it"
        ) from None
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        raise UsageError(f"'{path}' is not a valid record: {place + ': ' if place else ''}{what}") from None
    try:
        _ = record.config.on(record.dataset.kind).test_recipe(record.dataset.kind)
    except (UsageError, DataError) as error:
        raise UsageError(f"'{path}' is not a valid record: config: {plain(str(error), 300)}") from None
    return record


def _table(path: Path) -> bytes:
    try:
        return _bytes(scores_file(path.parent), MOST_BYTES_OF_TASKS)
    except OSError as error:
        raise _unreadable(path, error.strerror or error) from None


def _unreadable(path: Path, reason: object) -> UsageError:
    return UsageError(f"cannot read '{scores_file(path.parent)}', the scores of record '{path}': {reason}")


def _with_scores(
    read: Sequence[tuple[Path, RunRecord, bytes] | UsageError],
) -> Iterator[tuple[RunRecord, NDArray[np.float64]] | UsageError]:
    columns = iter(_columns([each[2] for each in read if not isinstance(each, UsageError)]))
    for each in read:
        if isinstance(each, UsageError):
            yield each
            continue
        path, record, _ = each
        try:
            yield record, _scores_of(next(columns), path, record, record.score.mean)
        except UsageError as error:
            yield error


def _scores_of(
    columns: NDArray[np.float64] | ValueError, path: Path, record: RunRecord, mean: float
) -> NDArray[np.float64]:
    if isinstance(columns, ValueError):
        raise _unreadable(path, columns)
    if not columns.size:
        raise _unreadable(path, "it has no rows")
    table, numbers = scores_file(path.parent), columns[0]
    scores: NDArray[np.float64] = columns[1].copy()  # of its own, since it was read with others
    if len(scores) != record.config.test.episodes or not np.array_equal(numbers, np.arange(len(scores))):
        raise UsageError(
            f"'{table}' does not fit record '{path}': its episodes are not 0 to {record.config.test.episodes} - 1; "
            "restore one of the two"
        )
    most = 1 if record.scored_by.percent else MOST_ERROR
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= most)))  # NaN is neither
    if wrong.size:
        raise UsageError(
            f"'{table}', the scores of record '{path}', has {scores[wrong[0]]:g} for task {wrong[0]}, which is "
            f"not a valid {record.scored_by.label}; restore the file"
        )
    if not abs(scores.mean() - mean) < 1e-4 * max(1, mean):
        raise UsageError(f"'{table}' does not fit record '{path}': it has another mean; restore one of the two")
    return scores


def _check_predictions(file: Path, path: Path, record: RunRecord) -> None:
    try:
        found = digest(_bytes(file, MOST_BYTES_OF_TASKS))
    except FileNotFoundError:
        return
    except OSError as error:
        raise UsageError(
            f"cannot read '{file}', the predictions of record '{path}': {error.strerror or error}"
        ) from None
    if found != record.predictions:
        raise UsageError(f"'{file}' does not fit record '{path}': other predictions; restore one of the two")


def _bytes(path: Path, most: int) -> bytes:
    """The file's content; OSError for what is not a file, such as an endless pipe, or larger than `most`."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is no file")
    if status.st_size > most:
        raise OSError(f"it has more than {most >> 20} MiB, which no record has")
    return path.read_bytes()


def _columns(tables: Sequence[bytes]) -> list[NDArray[np.float64] | ValueError]:
    """`episode` and `learner`, `[2, rows]`, of CSV files, or what is wrong with the file.

    Those of one header are read as one file; each for itself if that fails, or gives not as many rows as lines.
    """
    of_header: dict[bytes, list[int]] = {}
    for number, table in enumerate(tables):
        of_header.setdefault(table.partition(b"\n")[0], []).append(number)
    found: dict[int, NDArray[np.float64] | ValueError] = {}
    for header, numbers in of_header.items():
        body = b"".join(tables[number][len(header) + 1 :] for number in numbers)
        lines = [tables[number].count(b"\n") - 1 for number in numbers]
        # So that none has more rows than lines, to make up for another's empty ones.
        plain = b"\r" not in body and all(tables[number].endswith(b"\n") for number in numbers)
        together = _read_table(header + b"\n" + body) if plain else ValueError()
        if isinstance(together, ValueError) or together.shape[1] != sum(lines):
            found |= {number: _read_table(tables[number]) for number in numbers}
        else:
            found |= zip(numbers, np.split(together, np.cumsum(lines)[:-1], axis=1), strict=True)
    return [found[number] for number in range(len(tables))]


def _read_table(table: bytes, columns: Sequence[str] = COLUMNS) -> NDArray[np.float64] | ValueError:
    wanted = csv.ConvertOptions(
        include_columns=columns, column_types=dict.fromkeys(columns, pa.float64()), null_values=[]
    )
    try:
        read = csv.read_csv(pa.BufferReader(table), **CSV, convert_options=wanted)
    except ValueError as error:
        return error
    except KeyError:
        header = table.partition(b"\n")[0].strip().split(b",")
        missing = next((name for name in columns if name.encode() not in header), columns[0])
        return ValueError(f"it has no column '{missing}'")
    return np.array([read[name].to_numpy() for name in columns], dtype=np.float64)
