"""First-order model-agnostic meta-learning (Finn, Abbeel, Levine 2017)."""

from __future__ import annotations

from typing import ClassVar

from baselines.gradient._learner import GradientLearner
from baselines.gradient._presets import FINN, PRESETS
from metabench.learner import Source


class FOMAML(GradientLearner):
    """Learn initial weights from which a few gradient steps solve a task, without differentiating through the steps.

    Finn et al. 2017, section 5.2 ("first-order approximation"): the meta-gradient of `maml` without its second
    derivatives, which is the gradient of the query loss at the adapted weights. No graph of the steps is kept.

    Differs from the paper as `maml` does.
    """

    source: ClassVar = Source("gradient", (FINN,))
    presets: ClassVar = PRESETS
