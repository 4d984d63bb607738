"""What a study says of choosing options: `select`, and how many are tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from episodes.errors import nearest
from metabench.errors import UsageError
from metabench.escape import plain

OF_STUDY = ("select", "tries")  # of a study's keys
How = Literal["validation", "ensemble"]


@dataclass(frozen=True)
class Rule:
    """How a study chooses options.

    Attributes:
        how: by the tasks of the validation classes; or not at all, with all settings as one ensemble.
        tries: how many settings of each run are tried; None for all that the study's lists have.
    """

    how: How
    tries: int | None


def rule_of(values: Mapping[str, Any]) -> Rule | None:
    """What a study says of it; None where every list makes runs.

    Raises:
        UsageError: another word than those that are known, or a number of tries that is none.
    """
    how, tries = values.get("select"), values.get("tries")
    if how is None:
        if tries is not None:
            raise UsageError(
                "tries: it is how many settings `select: validation` tries; give that too, or leave tries out"
            )
        return None
    if how == "test":
        raise UsageError(
            "select: what is chosen by its test tasks has no honest score on them; give validation or ensemble"
        )
    if how not in get_args(How):
        known = get_args(How)
        raise UsageError(f"select: give {' or '.join(known)}; found {plain(repr(how), 60)}{nearest(str(how), known)}")
    if tries is None:
        return Rule(how, None)
    if not str(tries).isascii() or not str(tries).isdecimal() or int(tries) < 2:
        raise UsageError(f"tries: give a whole number of at least 2; found {plain(repr(tries), 60)}")
    return Rule(how, int(tries))


def refuse_range(name: str, rule: Rule | None) -> None:
    """Raise UsageError unless the study may have a range, of the option of that name."""
    if rule is None:
        raise UsageError(
            f"{name}: a range is searched with `select: validation` and `tries: N`; give both, or a list in its place"
        )
    if rule.how == "ensemble":
        raise UsageError(f"{name}: an ensemble has a member for each value; give a list in place of the range")
    if rule.tries is None:
        raise UsageError(f"{name}: a range has no number of settings; say how many are tried, as `tries: 20`")


def refuse_other_numbers(counts: Collection[tuple[str, int]]) -> None:
    """Raise UsageError unless all runs, each with its learner, have the same number of settings, at least two."""
    (few, fewest), (many, most) = (function(counts, key=lambda each: each[1]) for function in (min, max))
    if fewest < most:
        raise UsageError(
            f"select: {many} has {most} settings to try and {few} has {fewest}, and every learner gets the same number "
            "of tries: give lists of the same length, or `tries: N` for N of each; what has nothing to choose goes "
            "into another study"
        )
    if most < 2:
        raise UsageError(
            "select: no run has two settings to try; give an option a list of values, as learning_rate: [1e-3, 1e-4], "
            "or leave select out"
        )
