"""The Learner protocol's contract as one call, for a plug-in's own tests:

    from metabench.checks import check_learner

    def test_contract():
        check_learner(MyLearner)

`metabench check` reports it point by point. `run` and `verify` hold every learner to the cheap part of it
(`broken_points`).
"""

from metabench.checks.contract import POINTS, Verdict, broken_points, check_learner, verdicts
from metabench.checks.points import (
    ContractError,
    build,
    check_labels,
    check_neighbours,
    check_transduction,
    logits_problem,
)

__all__ = [
    "POINTS",
    "ContractError",
    "Verdict",
    "broken_points",
    "build",
    "check_labels",
    "check_learner",
    "check_neighbours",
    "check_transduction",
    "logits_problem",
    "verdicts",
]
