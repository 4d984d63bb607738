from .board.rows import leaderboard
from .experiment.data import freeze
from .experiment.runner import run
from .learner import EmbeddingLearner, Learner, TrainingOptions, option
from .pretraining.pretrain import pretrain
from .reports.contest import compare
from .rerun.curve import curve
from .rerun.distillation import distillation_report
from .rerun.export import export
from .rerun.predict import predict
from .rerun.reproduce import reproduce
from .rerun.show import show
from .rerun.verify import verify

__version__: str

__all__ = [
    "EmbeddingLearner",
    "Learner",
    "TrainingOptions",
    "compare",
    "curve",
    "distillation_report",
    "export",
    "freeze",
    "leaderboard",
    "option",
    "predict",
    "pretrain",
    "reproduce",
    "run",
    "show",
    "verify",
]
