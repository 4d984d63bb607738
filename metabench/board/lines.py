"""Lines: what makes rows of several boards one learner's, and what tells such rows from others of their look."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from metabench.board.rows import Entry
from metabench.escape import plain


def line_of(entry: Entry, apart: str) -> tuple[object, ...]:
    """What makes rows of several boards one line of a plot, of one look."""
    return (entry.values.learner, entry.values.settings, entry.unverified, apart)


def _images(entry: Entry) -> dict[str, str]:
    """What rows of one learner and settings may differ in besides; tests on the same images are a board's."""
    dataset = entry.record.dataset
    prints = dataset.fingerprints
    shape = "x".join(map(str, dataset.image_shape))
    return {"training data": prints.train[:8], "validation data": prints.validation[:8], "image shape": shape}


def apart(rows: Sequence[Entry]) -> list[str]:
    """For each row, what distinguishes it from others of the same learner, settings and test data, in words."""

    def name(entry: Entry) -> tuple[object, ...]:
        return tuple(
            getattr(entry.values, part) for part in ("learner", "settings", "dataset", "split", "test_fingerprint")
        )

    values: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for entry in rows:
        for part, value in _images(entry).items():
            values[*name(entry), part].add(value)
    told = [
        [f"{part} {value}" for part, value in _images(entry).items() if len(values[*name(entry), part]) > 1]
        for entry in rows
    ]
    return [plain(", ".join(parts)) for parts in told]
