"""The space that settings are proposed from: options of a study that have a range, and lists beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from episodes.errors import nearest
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.selection import Range, written

KINDS = ("log", "range")
EXAMPLE = "{log: [1e-4, 0.1]} or {range: [1, 8]}"


@dataclass(frozen=True)
class OneOf:
    """A list of values, where another option has a range."""

    values: tuple[Any, ...]

    def __str__(self) -> str:
        return written(self.values)


def is_open(value: Any) -> bool:
    """Whether an option's value in a study is one that settings are proposed from."""
    return isinstance(value, Range | OneOf)


def read_range(name: str, value: Mapping[Any, Any]) -> Range:
    """The range that a study gives an option, as `{log: [1e-4, 0.1]}`.

    Raises:
        UsageError: another word than `log` or `range`, or ends that are none.
    """
    for kind in value:
        if kind not in KINDS:
            found = plain(repr(kind), 60)
            raise UsageError(f"{name}: give a range as {EXAMPLE}; found {found}{nearest(str(kind), KINDS)}")
    if len(value) != 1:
        raise UsageError(f"{name}: give a range as {EXAMPLE}; found {plain(repr(dict(value)), 100)}")
    ((kind, ends),) = value.items()
    numbers = [_number(end) for end in ends] if isinstance(ends, list) else []
    shown = plain(repr(ends), 60)
    if len(numbers) != 2 or None in numbers:
        raise UsageError(f"{name}: give both ends of the range, as {EXAMPLE}; found {shown}")
    low, high = (number for number in numbers if number is not None)
    if not low < high:
        raise UsageError(f"{name}: the range has to end above where it begins; found {shown}")
    if kind == "log" and low <= 0:
        raise UsageError(f"{name}: a logarithmic range begins above 0; found {shown}; give range in place of log")
    return Range(low=low, high=high, log=kind == "log")


def _number(text: Any) -> int | float | None:
    for read in (int, float):
        try:
            found: int | float = read(str(text))
        except ValueError:
            continue
        return found if math.isfinite(found) else None
    return None


def edges(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Settings that have both ends of each range among them, and each value of each list; the lowest first.

    Args:
        options: of a study, of which some are open (see `is_open`).
    """
    ends = {
        name: (value.low, value.high) if isinstance(value, Range) else value.values
        for name, value in options.items()
        if is_open(value)
    }
    longest = max(map(len, ends.values()))
    return [{name: values[min(place, len(values) - 1)] for name, values in ends.items()} for place in range(longest)]


def size(space: Mapping[str, Range | tuple[Any, ...]]) -> float:
    """How many settings it has; infinity with a range of numbers that are not whole."""
    found = 1.0
    for axis in space.values():
        if isinstance(axis, Range):
            found *= axis.high - axis.low + 1 if axis.whole else math.inf
        else:
            found *= len(axis)
    return found
