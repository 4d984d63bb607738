"""Choices: the runs of a study whose options are chosen on validation tasks, and the tries that they are chosen from.

A run's tries are cells like others, which an engine makes. What each gave is in the store, and the run follows from it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, get_args, get_type_hints

from episodes.datasets import loading_once
from episodes.errors import DataError
from metabench.config import RunConfig
from metabench.errors import UsageError
from metabench.metrics.metric import Metric
from metabench.records.keys import run_digest
from metabench.records.selection import Range, Selection, Space, Try, identity_of, written
from metabench.registry import get_learner
from metabench.sweep.cells import Cell, Found, Left, apart, look_up, look_up_one, with_shared_stages
from metabench.sweep.proposals import Proposals
from metabench.sweep.rule import refuse_other_numbers
from metabench.sweep.space import edges, is_open, size
from metabench.sweep.store import Store, try_digest
from metabench.sweep.study import Point

MOST_DRAWS = 1000  # for a setting that was not tried


class Listed(NamedTuple):
    """Tries in a plan.

    Attributes:
        title: what to call them.
        cell: one of them, to tell the time by.
        number: how many.
        left: how many of these are missing.
    """

    title: str
    cell: Cell
    number: int
    left: int


@dataclass(eq=False)
class Choice:
    """A run whose options are to be chosen.

    Attributes:
        digest: of the run, whichever options are chosen.
        title: what to call it.
        tries: in the study's order.
        options: of each try the values that are to be chosen.
        grid: how many settings the study has, of which these are all or a part; None for a `Search`.
        metric: by which they are compared.
        searched: of a `Search`.
    """

    digest: str
    title: str
    tries: Sequence[Cell]
    options: Sequence[dict[str, Any]]
    grid: int | None
    metric: Metric
    searched: Space | None = None

    @property
    def ahead(self) -> int:
        """How many tries there will be, of which nothing is known yet."""
        return 0

    def listed(self, store: Store) -> Sequence[Listed]:
        """What a plan says of the tries."""
        return [Listed(f"try {each.title}", each, 1, int(not store.tried(each.digest))) for each in self.tries]

    @property
    def stages(self) -> Collection[str]:
        """Keys of those that its tries share with others."""
        return {each.stage for each in self.tries if each.stage}

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
            raise UsageError(f"nothing is chosen, since {missing} of its {len(found) + self.ahead} tries failed")
        given = [each for each in found if each]
        tries = tuple(
            Try(options=options, **each.model_dump(include={"mean", "seconds", "processor_seconds"}))
            for options, each in zip(self.options, given, strict=True)
        )
        selection = Selection(episodes=given[0].episodes, grid=self.grid, tries=tries, searched=self.searched)
        best = selection.best(self.metric)
        if best is None:
            raise UsageError(f"nothing is chosen, since none of its {len(tries)} tries gave finite values")
        cell = self.tries[tries.index(best)]
        return replace(self.test, config=cell.config, selection=selection, tried=cell.digest)


@dataclass(eq=False, kw_only=True)
class Search(Choice):
    """A choice whose tries are proposed one after another, each from what all before it gave.

    So only one is made at a time, and none depends on how many runs are. Those that the store has are not made again.

    Attributes:
        tries: those that were proposed; all but the last were told.
        searched: where they are from.
        count: how many there will be.
        point: to which a proposal is added.
        threads: as of `choices`.
        known_stages: those that several tries begin with.
        values: the same space as the study has it.
        seed: of the proposals.
    """

    count: int
    point: Point
    threads: int | None
    known_stages: Collection[str]
    values: Space
    seed: int
    tries: list[Cell] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""  # why no other is proposed

    def __post_init__(self) -> None:
        self.proposals = Proposals(self.values, self.seed, self.metric.more_is_better)
        self.seen = set[str]()
        self._propose()

    @property
    def ahead(self) -> int:
        return self.count - len(self.tries)

    def listed(self, store: Store) -> Sequence[Listed]:
        """As of a `Choice`: all in one, since what is tried follows from what others give."""
        run = self.title.removesuffix(f", chosen from {self.count}")
        space = ", ".join(f"{name} {written(axis)}" for name, axis in self.values.items())
        left = len(self.wanted(store)) + self.ahead
        return [Listed(f"{self.count} tries of {run}: {space}", self.tries[0], self.count, left)]

    def wanted(self, store: Store) -> list[Cell]:
        """The try that is open; none where all are made."""
        while not self.problem and (tried := store.tried(self.tries[-1].digest)):
            if not self.ahead:
                return []
            self.proposals.tell(tried.mean)
            try:
                self._propose()
            except (UsageError, DataError) as error:
                self.problem = str(error)
        return [] if self.problem else self.tries[-1:]

    def chosen(self, store: Store) -> Cell:
        """As of a `Choice`."""
        self.wanted(store)
        if self.problem:
            raise UsageError(f"nothing is chosen after {len(self.tries)} of its {self.count} tries: {self.problem}")
        if self.ahead:
            raise UsageError(f"nothing is chosen, since try {len(self.tries)} of its {self.count} failed")
        return super().chosen(store)

    def _propose(self) -> None:
        """Add the next try: a setting that is proposed again is none, and another is drawn in its place.

        Raises:
            UsageError, episodes.DataError: it cannot be run, or there is no other.
        """
        for number in range(MOST_DRAWS):
            values = self.proposals.ask(random=number > 0)
            key = json.dumps(values, sort_keys=True)
            if key not in self.seen:
                self.seen.add(key)
                found, _ = look_up_one(_with(self.point, values), self.threads)
                cell = _try(found, found.cell.stage if found.cell.stage in self.known_stages else None)
                if all(cell.digest != each.digest for each in self.tries):
                    self.tries.append(cell)
                    self.options.append({name: found.config.options[name] for name in values})
                    return
            self.proposals.skip()
        raise UsageError("there is hardly another setting to try; give wider ranges, longer lists, or fewer tries")


def choices(points: Sequence[Point], threads: int | None) -> tuple[list[Choice], list[Left]]:
    """The runs of a study that chooses options.

    Args:
        points: its tries.
        threads: of each run, where the study does not say.

    Returns:
        The runs, and those that are left out since their data are missing.

    Raises:
        UsageError, episodes.DataError: another run that cannot be made, or learners with other numbers of tries; or
            Optuna is not installed, and an option has a range.
    """
    groups: dict[int, dict[str, Found]] = {}
    with loading_once():
        there, left = apart(look_up([each for point in points for each in _looked_up(point)], threads))
        for found in there:
            groups.setdefault(found.point.of, {}).setdefault(found.cell.digest, found)
        every = [list(group.values()) for group in groups.values()]
        counts = [(group[0].point.tries if len(group) > 1 else 0) or len(group) for group in every]
        learners = [str(group[0].point.settings["learner"]) for group in every]
        refuse_other_numbers([*zip(learners, counts, strict=True)])
        cells = with_shared_stages({found.cell.digest: found.cell for group in every for found in group}.values())
        stages = {cell.digest: cell.stage for cell in cells}
        searched = {point.of: point for point in points if point.tries}
        made = [
            _search(searched[of], group, stages, threads) if of in searched else _choice(group, stages)
            for of, group in zip(groups, every, strict=True)
        ]
    runs_left = {each.point.of: replace(each, point=replace(each.point, common={}, options={})) for each in left}
    return list({choice.digest: choice for choice in made}.values()), [*runs_left.values()]


def _looked_up(point: Point) -> list[Point]:
    """What shows whether all of its tries can be made: itself, or where it has a range, the ends."""
    if not point.tries:
        return [point]
    learner, given = str(point.settings["learner"]), {**point.common, **point.options}
    types = get_type_hints(get_learner(learner).Options)
    for name, value in given.items():
        kinds = {types.get(name), *get_args(types.get(name))}
        if isinstance(value, Range) and name in types and not kinds & {int, float}:
            raise UsageError(f"{point.titled(but=point.varied)}: {name} is no number; give a list in place of a range")
    return [_with(point, each) for each in edges(given)]


def _with(point: Point, values: Mapping[str, Any]) -> Point:
    """The point with these values of options, among the common ones where it has them there."""
    parts = [{name: values.get(name, value) for name, value in part.items()} for part in (point.common, point.options)]
    return replace(point, common=parts[0], options=parts[1])


def _differing(group: Sequence[Found], unsaid: Collection[str] = ()) -> tuple[list[str], str]:
    """The names of the options that are to be chosen, and what to call the run, which does without them.

    Args:
        group: its tries, or some.
        unsaid: names of others that it does without.

    Raises:
        UsageError: the data are not the same for all.
    """
    first = group[0]
    values = [found.config.options for found in group]
    names = sorted(name for name in values[0] if any(each[name] != values[0][name] for each in values))
    title = first.point.titled(but=[*names, *unsaid])
    if any(found.data != first.data for found in group):
        raise UsageError(
            f"{title}: its tries are of different data, as networks with other tokens make them, and do not compare; "
            f"give {' and '.join(names)} one value each, or leave select out"
        )
    return names, title


def _try(found: Found, stage: str | None) -> Cell:
    return replace(found.cell, digest=try_digest(found.cell.digest), stage=stage, is_try=True)


def _choice(group: Sequence[Found], stages: Mapping[str, str | None]) -> Choice:
    first = group[0]
    names, title = _differing(group)
    options = tuple({name: found.config.options[name] for name in names} for found in group)
    tries = tuple(_try(found, stages[found.cell.digest]) for found in group)
    return Choice(
        digest=run_digest(first.config, first.data, first.weights, names, list(options)),
        title=f"{title}, chosen from {len(tries)}",
        tries=tries,
        options=options,
        grid=max(first.point.grid, len(tries)),
        metric=first.metric,
    )


def _search(point: Point, group: Sequence[Found], stages: Mapping[str, str | None], threads: int | None) -> Search:
    """Of a point with ranges, and of what its ends and the values of its lists came to."""
    first, given = group[0], {**point.common, **point.options}
    names, title = _differing(group, [name for name, value in given.items() if is_open(value)])
    space, values = Space(), Space()
    for name in names:
        found = {json.dumps(each.config.options[name]): each for each in reversed(group)}
        resolved = tuple(each.config.options[name] for each in reversed(found.values()))
        axis = given[name]
        if isinstance(axis, Range):
            space[name] = values[name] = Range(low=min(resolved), high=max(resolved), log=axis.log)
        else:
            space[name] = resolved
            values[name] = tuple({**each.point.common, **each.point.options}[name] for each in reversed(found.values()))
    if size(space) < point.tries:
        raise UsageError(
            f"tries: {title} has {size(space):.0f} settings to try, and {point.tries} were asked for; give wider "
            "ranges, longer lists, or fewer tries"
        )
    # Of any number of tries the same, so that a larger number goes on from a smaller one's.
    seed = int(run_digest(first.config, first.data, first.weights, names, identity_of(space, 0))[:7], 16)
    return Search(
        digest=run_digest(first.config, first.data, first.weights, names, identity_of(space, point.tries)),
        title=f"{title}, chosen from {point.tries}",
        grid=None,
        metric=first.metric,
        searched=space,
        count=point.tries,
        point=first.point,
        threads=threads,
        known_stages={stage for stage in stages.values() if stage},
        values=values,
        seed=seed,
    )
