"""Almost no inner loop (Raghu, Raghu, Bengio, Vinyals 2020)."""

from __future__ import annotations

from typing import ClassVar

from baselines.gradient._learner import SecondOrderLearner
from baselines.gradient._presets import PRESETS, TEXT
from metabench.learner import Paper, Source


class ANIL(SecondOrderLearner):
    """Learn a network of which only the last layer, the head, is adapted to a task by gradient steps.

    Raghu et al. 2020, section 4: as `maml`, in training and in test, but with the steps of the head alone. The body is
    trained by the query loss after them, as are the head's initial weights.

    Differs from the paper: the settings are those of `maml`, with its non-transductive default and cosine schedule.
    """

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Raghu, Aniruddh and Raghu, Maithra and Bengio, Samy and Vinyals, Oriol",
                "Rapid Learning or Feature Reuse? Towards Understanding the Effectiveness of MAML",
                2020,
                "https://arxiv.org/abs/1909.09157",
                "ICLR",
            ),
        ),
    )
    presets: ClassVar = {**PRESETS, "text": {**TEXT, "first_order": True}}

    def adapted(self) -> list[str]:
        return self.head()
