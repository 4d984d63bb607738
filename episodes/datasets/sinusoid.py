"""Sinusoids: few-shot regression, the first experiment of MAML (Finn, Abbeel, Levine 2017, section 5.1).

Each task is a function y = A sin(x - p) with A uniform in [0.1, 5], p in [0, pi] and x in [-5, 5]. There are no
files, no classes and no class split: functions are drawn, others for training, validation and test.
"""

from __future__ import annotations

from episodes.dataset import DataOptions, Dataset
from episodes.errors import DataError


def load(name: str, options: DataOptions) -> Dataset:
    """Always a DataError: what loads or mixes datasets by name expects images."""
    raise DataError(f"'{name}' has functions, no images; it goes alone, as --dataset {name}")
