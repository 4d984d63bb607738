"""torchmeta.utils: loaders, and what ProtoNet, matching networks, R2D2 and MAML compute."""

from episodes.torchmeta.utils import data
from episodes.torchmeta.utils.gradient_based import gradient_update_parameters
from episodes.torchmeta.utils.matching import (
    matching_log_probas,
    matching_loss,
    matching_probas,
    pairwise_cosine_similarity,
)
from episodes.torchmeta.utils.metrics import hardness_metric
from episodes.torchmeta.utils.prototype import get_num_samples, get_prototypes, prototypical_loss
from episodes.torchmeta.utils.r2d2 import ridge_regression

__all__ = [
    "data",
    "get_num_samples",
    "get_prototypes",
    "gradient_update_parameters",
    "hardness_metric",
    "matching_log_probas",
    "matching_loss",
    "matching_probas",
    "pairwise_cosine_similarity",
    "prototypical_loss",
    "ridge_regression",
]
