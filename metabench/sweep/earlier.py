"""Runs that an earlier version made: an option that came since, or that changes nothing, makes no other run of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from metabench.sweep.store import Known


@dataclass(frozen=True)
class Facts:
    """What tells whether a finished run, whose learner had other options then, is the run that is looked for.

    Attributes:
        rest: digest of all but the options.
        options: of the learner, as resolved.
        given: names of those that are not the defaults.
        idle: names of those that change nothing.
    """

    rest: str
    options: Mapping[str, Any]
    given: frozenset[str]
    idle: frozenset[str]

    def fit(self, known: Known) -> bool:
        """Whether it is."""
        if known.rest != self.rest or known.options.keys() - self.options.keys() - self.idle:
            return False
        return all(
            known.options[name] == value if name in known.options else name not in self.given
            for name, value in self.options.items()
            if name not in self.idle
        )


def digest_of_record(digest: str, facts: Facts, known: Mapping[str, Known]) -> str:
    """The digest by which a run is among the finished ones; its own where it is not.

    Args:
        digest: of the run.
        facts: of the run.
        known: the finished runs by digest.
    """
    if digest in known:
        return digest
    return next((each for each, run in known.items() if facts.fit(run)), digest)
