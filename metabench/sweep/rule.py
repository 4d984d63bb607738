"""What a study says of choosing options: `select`, and how many are tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from episodes.errors import nearest
from metabench.errors import UsageError
from metabench.escape import plain

OF_STUDY = ("select", "tries")  # of a study's keys
How = Literal["validation"]


@dataclass(frozen=True)
class Rule:
    """How a study chooses options.

    Attributes:
        how: by the tasks of the validation classes.
        tries: how many settings of each run are tried; None for all that the study has.
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
        raise UsageError("select: what is chosen by its test tasks has no honest score on them; give validation")
    if how not in get_args(How):
        known = get_args(How)
        raise UsageError(f"select: give {' or '.join(known)}; found {plain(repr(how), 60)}{nearest(str(how), known)}")
    if tries is None:
        return Rule(how, None)
    if not str(tries).isascii() or not str(tries).isdecimal() or int(tries) < 2:
        raise UsageError(f"tries: give a whole number of at least 2; found {plain(repr(tries), 60)}")
    return Rule(how, int(tries))
