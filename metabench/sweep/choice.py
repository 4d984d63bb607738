"""Choices: the runs of a study whose options are chosen on validation tasks, and the tries that they are chosen from.

A run's tries are cells like others, which an engine makes. What each gave is in the store, and the run follows from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.metrics.metric import Metric
from metabench.records.keys import run_digest
from metabench.records.selection import Selection, Try
from metabench.sweep.cells import Cell, Found, look_up, with_shared_stages
from metabench.sweep.rule import refuse_other_numbers
from metabench.sweep.store import Store, try_digest
from metabench.sweep.study import Point


@dataclass(frozen=True)
class Choice:
    """A run whose options are to be chosen.

    Attributes:
        digest: of the run, whichever options are chosen.
        title: what to call it.
        tries: in the study's order.
        options: of each try the values that are to be chosen.
        grid: how many settings the study has, of which these are all or a part.
        metric: by which they are compared.
    """

    digest: str
    title: str
    tries: tuple[Cell, ...]
    options: tuple[dict[str, Any], ...]
    grid: int
    metric: Metric

    @property
    def config(self) -> RunConfig:
        """Of the first try."""
        return self.tries[0].config

    @property
    def test(self) -> Cell:
        """The run, whichever options are chosen, when it is trained: what an estimate of its time is of."""
        return replace(self.tries[0], digest=self.digest, title=self.title, steps=0, stage=None, is_try=False)

    def wanted(self, store: Store) -> list[Cell]:
        """The tries that are still to be made."""
        return [each for each in self.tries if store.tried(each.digest) is None]

    def chosen(self, store: Store) -> Cell:
        """The run, with the best of the options that were tried; of equal ones the first.

        Raises:
            UsageError: tries are missing, or none gave finite values.
        """
        found = [store.tried(each.digest) for each in self.tries]
        missing = found.count(None)
        if missing:
            raise UsageError(f"nothing is chosen, since {missing} of its {len(found)} tries failed")
        given = [each for each in found if each]
        tries = tuple(
            Try(options=options, **each.model_dump(include={"mean", "seconds", "processor_seconds"}))
            for options, each in zip(self.options, given, strict=True)
        )
        selection = Selection(episodes=given[0].episodes, grid=self.grid, tries=tries)
        best = selection.best(self.metric)
        if best is None:
            raise UsageError(f"nothing is chosen, since none of its {len(tries)} tries gave finite values")
        cell = self.tries[tries.index(best)]
        return replace(self.test, config=cell.config, selection=selection, tried=cell.digest)


def choices(points: Sequence[Point], threads: int | None) -> list[Choice]:
    """The runs of a study that chooses options.

    Args:
        points: its tries.
        threads: of each run, where the study does not say.

    Raises:
        UsageError, episodes.DataError: a run that cannot be made, or learners with other numbers of tries.
    """
    groups: dict[int, dict[str, Found]] = {}
    for found in look_up(points, threads):
        groups.setdefault(found.point.of, {}).setdefault(found.cell.digest, found)
    every = [list(group.values()) for group in groups.values()]
    refuse_other_numbers([(str(group[0].point.settings["learner"]), len(group)) for group in every])
    cells = with_shared_stages({found.cell.digest: found.cell for group in every for found in group}.values())
    stages = {cell.digest: cell.stage for cell in cells}
    made = [_choice(group, stages) for group in every]
    return list({choice.digest: choice for choice in made}.values())


def _choice(group: Sequence[Found], stages: dict[str, str | None]) -> Choice:
    first = group[0]
    values = [found.config.options for found in group]
    names = sorted(name for name in values[0] if any(each[name] != values[0][name] for each in values))
    title = first.point.titled(but=names)
    if any(found.data != first.data for found in group):
        raise UsageError(
            f"{title}: its tries are of different data, as networks with other tokens make them, and do not compare; "
            f"give {' and '.join(names)} one value each, or leave select out"
        )
    options = tuple({name: each[name] for name in names} for each in values)
    tries = tuple(
        replace(found.cell, digest=try_digest(found.cell.digest), stage=stages[found.cell.digest], is_try=True)
        for found in group
    )
    return Choice(
        digest=run_digest(first.config, first.data, first.weights, names, list(options)),
        title=f"{title}, chosen from {len(tries)}",
        tries=tries,
        options=options,
        grid=max(first.point.grid, len(tries)),
        metric=first.metric,
    )
