"""`select: ensemble`: in place of choosing a setting, a run whose learner has all of them and averages predictions."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from metabench.errors import UsageError
from metabench.escape import plain
from metabench.registry import get_learner
from metabench.sweep.rule import refuse_other_numbers
from metabench.sweep.study import Point

ADAPTER = "ensemble"  # under which each learner is one of several settings
MARKS = "|,="  # that part members, options and their values


def ensembles(points: Sequence[Point]) -> list[Point]:
    """A run for each run of a study, with the settings that were to be tried as members.

    Args:
        points: the tries of the study, run by run.

    Raises:
        UsageError: learners with other numbers of settings, an option that no learner has, or a value that a list of
            members cannot have.
    """
    made, counts, asked, used = [], [], set[str](), set[str]()
    for _, group in itertools.groupby(points, key=lambda point: point.of):
        tries = list(group)
        point, learner = tries[0], str(tries[0].settings["learner"])
        known = {item.name for item in fields(get_learner(learner).Options)}
        given = [{**each.common, **each.options} for each in tries]
        names = sorted(name for name in given[0] if any(each[name] != given[0][name] for each in given))
        own = [name for name in names if name in known or name in point.options]
        asked, used = asked | {*names}, used | {*own}
        members = list(dict.fromkeys(_member({name: each[name] for name in own}) for each in given))
        counts.append((learner, len(members)))
        made.append(
            replace(
                point,
                settings={**point.settings, "learner": f"{ADAPTER}:{learner}"},
                options={**_without(point.options, names), "members": "|".join(members)},
                common=_without(point.common, names),
                varied=(*(name for name in point.varied if name not in names), "members"),
            )
        )
    for name in sorted(asked - used):
        raise UsageError(f"options: no learner of the study has a use for '{name}'; correct it, or leave it out")
    refuse_other_numbers(counts)
    return made


def _without(options: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name not in names}


def _member(options: Mapping[str, Any]) -> str:
    for name, value in options.items():
        if any(mark in str(value) for mark in MARKS):
            raise UsageError(
                f"select: {name} {plain(str(value), 60)} cannot be of a member of an ensemble, which parts its options "
                "by '|', ',' and '='; give another value"
            )
    return ",".join(f"{name}={value}" for name, value in options.items())
