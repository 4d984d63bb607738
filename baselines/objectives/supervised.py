"""Supervised pre-training: all training classes at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from baselines.backbones import feature_size
from metabench.objective import LabelledBatch, Layers, PictureObjective, PictureOptions, Shape


class Supervised(PictureObjective):
    """Tell all training classes apart, by a softmax over a linear head: what labels give, beside objectives without.

    The first stage of Chen et al. 2019 (section 3.1), as `finetune` has it.
    """

    @dataclass(frozen=True)
    class Options(PictureOptions):
        pass

    def __init__(self, network: Layers, shape: Shape, options: Options, classes: int) -> None:
        super().__init__(network, shape, options, classes)
        self.head = nn.Linear(feature_size(network, shape), classes)

    def loss(self, batch: LabelledBatch) -> Tensor:
        return F.cross_entropy(self.head(self.network(batch.images)), batch.labels)
