"""Sinusoids: few-shot regression, the first experiment of MAML (Finn, Abbeel, Levine 2017, section 5.1).

Each task is a function y = A sin(x - p) with A uniform in [0.1, 5], p in [0, pi] and x in [-5, 5]. There are no
files, no classes and no class split: functions are drawn, others for training, validation and test.
"""

from __future__ import annotations

from episodes.banks.functions import Sinusoids
from episodes.dataset import DataOptions, Dataset
from episodes.errors import DataError

KIND = "functions"


def load(name: str, options: DataOptions) -> Dataset[Sinusoids]:
    """Raises DataError for a split, image size or channels, which functions do not have."""
    for setting in ("split", "image_size", "channels"):
        if getattr(options, setting) is not None:
            raise DataError(
                f"--{setting.replace('_', '-')} does not go with --dataset {name}, whose tasks are functions and have "
                "no classes or images; leave it out"
            )
    return Dataset(name, "none", Sinusoids(f"{name}/train"), Sinusoids(f"{name}/validation"), Sinusoids(f"{name}/test"))
