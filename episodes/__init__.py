"""From datasets to episodes: the tasks that few-shot learners are trained and scored on."""

from episodes.bank import ImageBank
from episodes.datasets import DataOptions, Dataset, load
from episodes.episode import EpisodeBatch
from episodes.errors import DataError
from episodes.sampler import EpisodeSampler
from episodes.task import FixedTask

__all__ = [
    "DataError",
    "DataOptions",
    "Dataset",
    "EpisodeBatch",
    "EpisodeSampler",
    "FixedTask",
    "ImageBank",
    "load",
]
