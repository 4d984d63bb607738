from .banks.images import ImageBank
from .dataset import DataOptions, Dataset
from .datasets import load
from .episode import EpisodeBatch, LabelledEpisodeBatch
from .errors import DataError
from .sampling.functions import SinusoidSampler
from .sampling.sampler import EpisodeList, EpisodeSampler
from .tasks.fixed import FixedTask
from .tasks.named import NamedTask
from .tasks.regression import RegressionTask
from .tasks.variable import VariableTask

__all__ = [
    "DataError",
    "DataOptions",
    "Dataset",
    "EpisodeBatch",
    "EpisodeList",
    "EpisodeSampler",
    "FixedTask",
    "ImageBank",
    "LabelledEpisodeBatch",
    "NamedTask",
    "RegressionTask",
    "SinusoidSampler",
    "VariableTask",
    "load",
]
