"""Body only update in inner loop (Oh, Yoo, Kim, Yun 2021)."""

from __future__ import annotations

from typing import ClassVar

from baselines.gradient._learner import SecondOrderLearner
from baselines.gradient._presets import PRESETS, TEXT
from metabench.learner import Paper, Source


class BOIL(SecondOrderLearner):
    """Learn a network of which all but the last layer, the body, is adapted to a task by gradient steps.

    Oh et al. 2021, section 3: as `maml`, in training and in test, but with an inner learning rate of 0 for the head.
    Features must then move to where the head expects them, in place of a head that moves to the features. The head is
    trained by the query loss after the steps, as are the body's initial weights.

    Differs from the paper: the settings are those of `maml`, with its non-transductive default and cosine schedule.
    """

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Oh, Jaehoon and Yoo, Hyungjun and Kim, ChangHwan and Yun, Se-Young",
                "BOIL: Towards Representation Change for Few-shot Learning",
                2021,
                "https://arxiv.org/abs/2008.08882",
                "ICLR",
            ),
        ),
    )
    presets: ClassVar = {**PRESETS, "text": {**TEXT, "first_order": True}}

    def adapted(self) -> list[str]:
        return [name for name in super().adapted() if name not in self.head()]
