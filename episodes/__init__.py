"""From datasets to episodes: the tasks that few-shot learners are trained and scored on."""

from episodes.bank import ImageBank
from episodes.datasets import DataOptions, Dataset, load
from episodes.datasets.sinusoid import RegressionTask, SinusoidDataset, SinusoidSampler
from episodes.episode import EpisodeBatch
from episodes.errors import DataError
from episodes.named_task import NamedTask
from episodes.sampler import EpisodeList, EpisodeSampler
from episodes.task import FixedTask
from episodes.variable_task import VariableTask

__all__ = [
    "DataError",
    "DataOptions",
    "Dataset",
    "EpisodeBatch",
    "EpisodeList",
    "EpisodeSampler",
    "FixedTask",
    "ImageBank",
    "NamedTask",
    "RegressionTask",
    "SinusoidDataset",
    "SinusoidSampler",
    "VariableTask",
    "load",
]
