"""Model-agnostic meta-learning (Finn, Abbeel, Levine 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from baselines.gradient._learner import SecondOrderLearner
from baselines.gradient._presets import FINN, PRESETS, TEXT
from metabench.learner import Count, Source, option


class MAML(SecondOrderLearner):
    """Learn initial weights from which a few gradient steps on the support solve a task.

    Finn et al. 2017: inner steps (equation 1), meta-gradient through them (algorithm 2); second order unless
    `first_order=true` (section 5.2). Batch normalisation always uses batch statistics: the support's in the inner
    steps, and for the queries

    - by default the support's too, under the adapted weights, so that each query is answered on its own;
    - with `transductive=true` the queries' own, as in the paper's code: a query's answer then depends on the others.

    The head has its own initial row for each label, as in the paper, so that renaming labels changes predictions a
    little (Ye and Chao 2022, section 4). Differs from the paper: the non-transductive default, and Adam's learning
    rate follows a cosine (`schedule=constant` is the paper's). On characters the paper's meta-batch is 32 tasks.

    In regression both losses are the mean squared error (equation 2). On `sinusoid` the defaults are the paper's
    (section 5.1; meta-batch and steps are those of its code); differs from the paper: torch's initial weights. With
    `inner_steps=0` training does not adapt to tasks, which makes it the paper's baseline "pretrained on all tasks".
    """

    @dataclass(frozen=True)
    class Options(SecondOrderLearner.Options):
        inner_steps: Annotated[int, Field(ge=0)] = option(
            5, "gradient steps on the support in training; 0 pre-trains on all tasks alike"
        )
        test_inner_steps: Count = option(10, "gradient steps on the support in validation and test")

    source: ClassVar = Source("gradient", (FINN,))
    presets: ClassVar = {**PRESETS, "text": {**TEXT, "first_order": True}}

    def idle_options(self) -> Mapping[str, str]:
        idle = {} if self.options.inner_steps else dict.fromkeys(("first_order", "checkpoint"), "inner_steps is 0")
        return {**super().idle_options(), **idle}
