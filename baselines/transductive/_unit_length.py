"""What most transductive learners share: features of unit length, and what they declare."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from baselines.bases.pretrained import PretrainedLearner
from metabench.learner import Kind


class TransductiveLearner(PretrainedLearner):
    """A pre-trained network whose features are scaled to length 1, and a classifier that looks at all queries together.

    A subclass writes `classify_features`. It takes no words: a text's words are outside all classes for the most part,
    and these methods expect as many queries of one class as of another, or nearly.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")
    transductive = True

    def embed(self, images: Tensor) -> Tensor:
        return F.normalize(self.backbone(images), dim=1)
