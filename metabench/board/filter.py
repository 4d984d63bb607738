"""Filter: which records a leaderboard is of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from episodes.errors import nearest
from metabench.errors import UsageError
from metabench.escape import plain
from metabench.records.record import RunRecord
from metabench.records.runs import Run


@dataclass(frozen=True)
class Filter:
    """Which records are wanted; what is empty or None is not asked.

    Attributes:
        dataset: names as in the table.
        ways, shots: of the test tasks.
        transductive, outside_data: whether it must be so, or must not.
        uncontaminated: whether it must be known that the test classes were not in outside data, or must not be.
    """

    dataset: tuple[str, ...] = ()
    ways: tuple[int, ...] = ()
    shots: tuple[int, ...] = ()
    transductive: bool | None = None
    outside_data: bool | None = None
    uncontaminated: bool | None = None

    def keep(self, runs: Sequence[Run]) -> list[Run]:
        """The runs that are wanted.

        Raises:
            UsageError: there is none.
        """
        asked = {name: value for name, value in vars(self).items() if value not in ((), None)}
        kept = [run for run in runs if all(_fits(_facts(run.record)[name], value) for name, value in asked.items())]
        if runs and not kept:
            words = "; ".join(f"{name.replace('_', ' ')} {_listed(value)}" for name, value in asked.items())
            facts = [_facts(run.record) for run in runs]
            there = {name: sorted({each[name] for each in facts} - {None}) for name in asked}
            found = "; ".join(f"{name.replace('_', ' ')} {_listed(values)}" for name, values in there.items())
            raise UsageError(f"no record has {words}; the {len(runs)} records have {plain(found)}")
        return kept


def make_filter(**wanted: Any) -> Filter:
    """A filter from one value or several for each of its fields.

    Raises:
        UsageError: there is no such field (names the nearest).
    """
    known = [item.name for item in fields(Filter)]
    for name in wanted:
        if name not in known:
            advice = nearest(name, known) or f"; it has {', '.join(known)}"
            raise UsageError(f"the leaderboard has no filter '{name}'{advice}")
    return Filter(**{name: _several(value) for name, value in wanted.items()})


def _several(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    return (value,) if isinstance(value, str | int) else tuple(value)


def _facts(record: RunRecord) -> dict[str, Any]:
    numbers = record.config.numbers  # none where tasks vary
    facts = {"dataset": record.dataset.name, "ways": numbers.get("ways"), "shots": numbers.get("shots")}
    given = {"transductive": record.transductive, "outside_data": record.outside_data}
    return {**facts, **given, "uncontaminated": record.test_classes == "no"}


def _fits(fact: object, wanted: object) -> bool:
    return fact in wanted if isinstance(wanted, tuple) else fact == wanted


def _listed(values: object) -> str:
    several = values if isinstance(values, tuple | list) else [values]
    return ", ".join({True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value) for value in several)
