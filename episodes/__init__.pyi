from .bank import ImageBank
from .dataset import DataOptions, Dataset
from .datasets import load
from .episode import EpisodeBatch, LabelledEpisodeBatch
from .errors import DataError
from .named_task import NamedTask
from .regression_task import RegressionTask
from .sampler import EpisodeList, EpisodeSampler
from .sampling.functions import SinusoidSampler
from .task import FixedTask
from .variable_task import VariableTask

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
