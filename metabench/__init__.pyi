from .experiment.runner import run
from .learner import EmbeddingLearner, Learner, TrainingOptions, option

__all__ = ["EmbeddingLearner", "Learner", "TrainingOptions", "option", "run"]
