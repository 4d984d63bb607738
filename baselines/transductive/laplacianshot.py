"""LaplacianShot (Ziko, Dolz, Granger, Ben Ayed 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from baselines.heads.propagation import neighbours, propagated
from baselines.heads.prototypes import prototypes, squared_distances
from baselines.heads.rectification import rectified, shifted
from baselines.transductive.bd_cspn import PROTOTYPE_RECTIFICATION
from baselines.transfer.simpleshot import SimpleShot
from metabench.learner import Count, EpisodeFeatures, Kind, Paper, Problem, Source, option

SHARPNESS = 10.0  # of the weights in a rectified prototype, as in the paper's code


class LaplacianShot(SimpleShot):
    """The nearest class mean on SimpleShot's features, where queries that are neighbours should be of one class.

    Ziko et al. 2020: a query's cost of a class is its squared distance to the prototype, and each query draws its
    nearest neighbours among the queries to its class (section 2.1); labels are found by bound updates of the relaxed
    energy (section 2.2, algorithm 1). Queries move to the support, and prototypes to the queries that are taken for
    them, before that (Liu et al. 2020).

    Differs from the paper: the weight of the neighbours is not tuned for each number of shots.
    """

    @dataclass(frozen=True)
    class Options(SimpleShot.Options):
        neighbours: Count = option(3, "nearest queries that each query draws to its class")
        weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = option(0.7, "weight of agreeing with neighbours")
        bound_steps: Annotated[int, Field(ge=0)] = option(20, "bound updates of the labels at most")

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")
    transductive = True
    source: ClassVar = Source(
        "transductive",
        (
            Paper(
                "Ziko, Imtiaz Masud and Dolz, Jose and Granger, Eric and Ben Ayed, Ismail",
                "Laplacian Regularized Few-Shot Learning",
                2020,
                "https://arxiv.org/abs/2006.15486",
                "ICML",
            ),
            PROTOTYPE_RECTIFICATION,
        ),
    )

    def __init__(self, problem: Problem, options: Options) -> None:
        super().__init__(problem, options)
        self.options: LaplacianShot.Options = options

    def classify_features(self, features: EpisodeFeatures) -> Tensor:
        options, support, labels = self.options, features.support, features.support_labels
        query = shifted(features.query, support)
        centres = rectified(prototypes(support, labels, features.ways), support, labels, query, SHARPNESS)
        affinity = neighbours(query, options.neighbours)
        return propagated(squared_distances(query, centres), affinity, options.weight, options.bound_steps)
