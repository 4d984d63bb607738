"""A run's prediction for every query of its test tasks: as a table, and in a file beside the record."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from metabench.errors import UsageError
from metabench.stats.diagnostics import right

if TYPE_CHECKING:
    pass

PREDICTIONS_FILE = "predictions.parquet"
ANSWERS_FILE = "answers.parquet"  # the same in runs of schema version 2, where `prediction` is `answer`
MOST_QUERIES = 20_000  # per task; more than in any task that is worth drawing
CONFIDENCE_DIGITS = 3  # more would change no calibration that is shown, and double the file

NAMES = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    {"task": pa.int32(), "class": NAMES, "group": NAMES, "prediction": NAMES, "confidence": pa.float32()}.items()
)
SCHEMA_OF_2 = pa.schema([item.with_name("answer" if item.name == "prediction" else item.name) for item in SCHEMA])


def predictions_file(folder: Path) -> Path:
    """The file of predictions in a run's folder, of whichever version; where there is none, where it would be."""
    old = folder / ANSWERS_FILE
    return old if old.exists() and not (folder / PREDICTIONS_FILE).exists() else folder / PREDICTIONS_FILE


def accuracies_of(predictions: pd.DataFrame) -> NDArray[np.float64]:
    """The fraction of right predictions of each task, in the order of their numbers."""
    tasks = predictions["task"].to_numpy()
    return np.bincount(tasks, weights=right(predictions)) / np.maximum(np.bincount(tasks), 1)


def encode(predictions: pd.DataFrame) -> bytes:
    """The table as a Parquet file, compressed by zstd: 60 to 110 kB for 600 tasks of 75 queries."""
    table = pa.Table.from_pandas(predictions, schema=SCHEMA, preserve_index=False).replace_schema_metadata()
    made = io.BytesIO()
    pq.write_table(table, made, compression="zstd")
    return made.getvalue()


def digest(encoded: bytes) -> str:
    """32 hexadecimal digits over a file of predictions, by which its record knows it."""
    return hashlib.blake2b(encoded, digest_size=16).hexdigest()


def read_predictions(path: Path, accuracies: NDArray[np.float64]) -> pd.DataFrame:
    """A table of predictions, checked against the record's accuracies.

    Args:
        path: the Parquet file.
        accuracies: of each task, as the record has them.

    Raises:
        UsageError: the file is missing, of another kind, or of other tasks or predictions than the accuracies.
    """
    try:
        with path.open("rb") as file:
            table = _table(pq.ParquetFile(file), MOST_QUERIES * len(accuracies))
    except FileNotFoundError:
        raise UsageError(
            f"there is no '{path}', where a run of classification keeps its predictions (since records of version 2); "
            "run it again"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"cannot read the predictions '{path}': {' '.join(str(error).split())}") from None
    problem = table if isinstance(table, str) else _problem(table, accuracies)
    if isinstance(table, str) or problem:
        raise UsageError(f"'{path}' does not fit its record: {problem}; restore one of the two")
    predictions = _categories_alike(table.to_pandas())
    # As they were before they became float32, so that none lies beside the edge of a bin that it was on.
    return predictions.assign(confidence=predictions["confidence"].astype(np.float64).round(CONFIDENCE_DIGITS))


def _table(file: pq.ParquetFile, most: int) -> pa.Table | str:
    """What is in the file, or what is wrong with it before so much is read, for a small file may hold endless rows."""
    if not any(file.schema_arrow.equals(schema) for schema in (SCHEMA, SCHEMA_OF_2)):
        return f"its columns are {', '.join(f'{item.name} {item.type}' for item in file.schema_arrow)}"
    if file.metadata.num_rows > most:
        return f"it has {file.metadata.num_rows} predictions, more than {MOST_QUERIES} a task"
    return file.read(use_threads=False).rename_columns(SCHEMA.names)


def _problem(table: pa.Table, accuracies: NDArray[np.float64]) -> str:
    if any(column.null_count for column in table.columns):
        return "values are missing"
    tasks, confidences = table["task"].to_numpy(), table["confidence"].to_numpy()
    if not np.array_equal(np.unique(tasks), np.arange(len(accuracies))):
        return f"it has other tasks than 0 to {len(accuracies) - 1}"
    if not ((confidences >= 0) & (confidences <= 1)).all():
        return "a confidence is not between 0 and 1"
    found = accuracies_of(_categories_alike(table.select(["task", "class", "prediction"]).to_pandas()))
    if not np.allclose(found, accuracies, atol=1e-5):
        return f"task {int(np.argmax(~np.isclose(found, accuracies, atol=1e-5)))} has another accuracy"
    return ""


def _categories_alike(predictions: pd.DataFrame) -> pd.DataFrame:
    """With the same categories for true and predicted classes, which a file's two columns need not share."""
    names = pd.api.types.union_categoricals([predictions["class"], predictions["prediction"]]).categories
    changed = {name: predictions[name].cat.set_categories(names) for name in ("class", "prediction")}
    return predictions.assign(**changed)
