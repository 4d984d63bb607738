"""torchmeta.utils.data: tasks, meta-datasets and their loaders."""

from episodes.torchmeta.utils.data.dataloader import BatchMetaDataLoader, MetaDataLoader
from episodes.torchmeta.utils.data.dataset import ClassDataset, CombinationMetaDataset, MetaDataset
from episodes.torchmeta.utils.data.sampler import CombinationRandomSampler, CombinationSequentialSampler
from episodes.torchmeta.utils.data.task import ConcatTask, Dataset, SubsetTask, Task
from episodes.torchmeta.utils.data.wrappers import NonEpisodicWrapper

__all__ = [
    "BatchMetaDataLoader",
    "ClassDataset",
    "CombinationMetaDataset",
    "CombinationRandomSampler",
    "CombinationSequentialSampler",
    "ConcatTask",
    "Dataset",
    "MetaDataLoader",
    "MetaDataset",
    "NonEpisodicWrapper",
    "SubsetTask",
    "Task",
]
