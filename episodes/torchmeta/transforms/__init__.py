"""torchmeta.transforms: of targets, of classes and of whole tasks."""

from episodes.torchmeta.transforms.augmentations import HorizontalFlip, Rotation, VerticalFlip
from episodes.torchmeta.transforms.categorical import Categorical, FixedCategory
from episodes.torchmeta.transforms.splitters import ClassSplitter, Splitter, WeightedClassSplitter
from episodes.torchmeta.transforms.tabular_transforms import NumpyToTorch
from episodes.torchmeta.transforms.target_transforms import (
    DefaultTargetTransform,
    SegmentationPairTransform,
    TargetTransform,
)

__all__ = [
    "Categorical",
    "ClassSplitter",
    "DefaultTargetTransform",
    "FixedCategory",
    "HorizontalFlip",
    "NumpyToTorch",
    "Rotation",
    "SegmentationPairTransform",
    "Splitter",
    "TargetTransform",
    "VerticalFlip",
    "WeightedClassSplitter",
]
