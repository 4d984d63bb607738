"""SimCSE without labels (Gao, Yao, Chen 2021)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from baselines.objectives._contrast import contrastive_logits
from metabench.learner import Count, Positive, option
from metabench.objective import Layers, Objective, PretrainingOptions, TextBatch, TextShape


class SimCSE(Objective):
    """A text goes twice through the network, under two masks of dropout, and is to find itself among the others.

    Gao et al. 2021, section 3; temperature 0.05 and the other texts of the batch as negatives. Differs from the paper:
    the features are those that learners use (mostly the mean over tokens), without a further layer on [CLS]; and
    the best step is that of the lowest loss on validation texts, with dropout, in place of similarities by people.
    """

    @dataclass(frozen=True)
    class Options(PretrainingOptions):
        steps: Count = option(1000, "training steps")
        learning_rate: Positive = option(3e-5, "the highest learning rate")
        weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = option(0.0, "decay of the weights")
        temperature: Positive = option(0.05, "by which cosines are divided")

    def __init__(self, network: Layers, shape: TextShape, options: Options) -> None:
        super().__init__(network, shape, options)
        self.temperature = options.temperature

    def logits(self, ids: Tensor) -> Tensor:
        """`[n, n]`, of texts `[n, L]`: row i is to find its own i.

        Both ways through the network are one, whose rows have masks of their own.
        """
        first, second = self.network(torch.cat([ids, ids])).float().chunk(2)
        return contrastive_logits(first, second, self.temperature)

    def loss(self, batch: TextBatch) -> Tensor:
        logits = self.logits(batch.ids)
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))

    def values(self, batches: Iterable[TextBatch]) -> dict[str, float]:
        self.network.train()  # for its dropout
        loss, right, texts = 0.0, 0, 0
        for batch in batches:
            logits = self.logits(batch.ids)
            own = torch.arange(len(logits), device=logits.device)
            loss += float(F.cross_entropy(logits.double(), own, reduction="sum"))
            right += int((logits.argmax(1) == own).sum())
            texts += len(own)
        self.network.eval()
        return {"contrastive_loss": loss / texts, "contrastive_accuracy": right / texts}
