"""Proto-MAML (Triantafillou et al. 2020)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from baselines.backbones import Layers
from baselines.gradient._learner import SecondOrderLearner
from baselines.gradient._presets import PRESETS, TEXT
from baselines.heads.prototypes import prototypes
from baselines.stacked.stack import Stack, Weights, slices
from metabench.learner import Paper, Problem, Source


class ProtoMAML(SecondOrderLearner):
    """MAML whose last layer starts from the prototypes of the task, as a Prototypical Network would classify it.

    Triantafillou et al. 2020 ("Proto-MAML"): with the class means c of the support's features, the head starts from the
    weights 2c and the biases -|c|², and is adapted with the body. The gradient of the query loss goes through the
    prototypes to the body. There are no initial weights of a head to learn, so that a task may have any number of ways,
    and renaming its labels renames its predictions.

    Differs from the paper: second order unless `first_order=true`, which is what the paper has results of; batch
    normalisation by the support, and a cosine schedule, as in `maml`.
    """

    source: ClassVar = Source(
        "gradient",
        (
            Paper(
                "Triantafillou, Eleni and Zhu, Tyler and Dumoulin, Vincent and Lamblin, Pascal and Evci, Utku and "
                "Xu, Kelvin and Goroshin, Ross and Gelada, Carles and Swersky, Kevin and Manzagol, Pierre-Antoine and "
                "Larochelle, Hugo",
                "Meta-Dataset: A Dataset of Datasets for Learning to Learn from Few Examples",
                2020,
                "https://arxiv.org/abs/1903.03096",
                "ICLR",
            ),
        ),
    )
    presets: ClassVar = {
        **{name: preset for name, preset in PRESETS.items() if name != "sinusoid"},
        "text": {**TEXT, "first_order": True},
    }
    label_equivariant = True
    fixed_ways = False
    regression = False

    def __init__(self, problem: Problem, options: SecondOrderLearner.Options) -> None:
        super().__init__(problem, options)
        # The stack keeps a layer for the head, whose weights are given for each task; the learner itself has none.
        self.network = Layers(self.network[0])
        self.body = Stack(self.network, problem.image_shape)

    def start(self, support: Tensor, support_labels: Tensor, ways: int) -> Weights:
        body = super().start(support, support_labels, ways)
        centres = []
        for part in slices(support):
            features = self.body({name: value[part] for name, value in body.items()}, support[part])
            centres.append(prototypes(features, support_labels[part], ways))
        means = torch.cat(centres)
        return {**body, "1.weight": 2 * means, "1.bias": -means.square().sum(2)}

    def adapted(self) -> list[str]:
        return [*super().adapted(), "1.weight", "1.bias"]
