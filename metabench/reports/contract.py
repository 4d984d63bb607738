"""How a learner stands to its contract, in lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from metabench.checks import ContractError, Verdict
from metabench.learner import Learner
from metabench.registry import fault

PASSES, FAILS, EXEMPT = "passes", "FAILS", "does not apply"


def line(verdict: Verdict, learner: type[Learner]) -> str:
    """A point: whether it passes, fails with its complaint, or does not apply, and why."""
    why = verdict.exempt
    if verdict.error:
        broken = isinstance(verdict.error, ContractError)
        why = str(verdict.error) if broken else fault(verdict.error, learner)
    return f"  {_state(verdict):14}  {verdict.point}" + (f"\n{'':18}{why}" if why else "")


def total(verdicts: Sequence[Verdict]) -> str:
    """How many points there were, and how they came out."""
    counts = Counter(map(_state, verdicts))
    kinds = len({verdict.kind for verdict in verdicts})
    told = f"{counts[PASSES]} passed, {counts[EXEMPT]} not applicable, {counts[FAILS]} failed"
    return f"{len(verdicts)} points on {kinds} kind{'s' * (kinds > 1)} of data: {told}"


def _state(verdict: Verdict) -> str:
    if verdict.error:
        return FAILS
    return EXEMPT if verdict.exempt else PASSES
