from .bank import ImageBank
from .datasets import DataOptions, Dataset, load
from .datasets.sinusoid import SinusoidDataset, SinusoidSampler
from .episode import EpisodeBatch, LabelledEpisodeBatch
from .errors import DataError
from .named_task import NamedTask
from .regression_task import RegressionTask
from .sampler import EpisodeList, EpisodeSampler
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
    "SinusoidDataset",
    "SinusoidSampler",
    "VariableTask",
    "load",
]
