"""Regression tasks with K train points, in one call."""

from __future__ import annotations

import warnings
from typing import Any, TypeVar

from episodes.errors import DataError
from episodes.torchmeta.toy.harmonic import Harmonic
from episodes.torchmeta.toy.regression import RegressionDataset
from episodes.torchmeta.toy.sinusoid import Sinusoid
from episodes.torchmeta.transforms.splitters import ClassSplitter

__all__ = ["harmonic", "sinusoid"]

Kind = TypeVar("Kind", bound=RegressionDataset)


def _helper(
    kind: type[Kind], shots: int, shuffle: bool, test_shots: int | None, seed: int | None, **kwargs: Any
) -> Kind:
    if "num_samples_per_task" in kwargs:
        warnings.warn("both shots and num_samples_per_task are given; shots is ignored", stacklevel=3)
        samples = kwargs.pop("num_samples_per_task")
        shots = samples // 2 if test_shots is None else samples - test_shots
        if shots <= 0:
            raise DataError(
                f"of {samples} points a task, {test_shots} for the test leave none to learn from; ask for more"
            )
    test_shots = shots if test_shots is None else test_shots
    dataset = kind(num_samples_per_task=shots + test_shots, **kwargs)
    ClassSplitter(dataset, shuffle=shuffle, num_train_per_class=shots, num_test_per_class=test_shots)
    dataset.seed(seed)
    return dataset


def sinusoid(
    shots: int, shuffle: bool = True, test_shots: int | None = None, seed: int | None = None, **kwargs: Any
) -> Sinusoid:
    """Tasks of `Sinusoid`, in `train` and `test` points.

    Args:
        shots: train points of each.
        shuffle: whether the points of a part are drawn at random from the task's; they are random themselves.
        test_shots: test points of each; None for as many as `shots`.
        seed: see `MetaDataset.seed`.
        kwargs: other arguments of the class.

    Raises:
        DataError: `num_samples_per_task` is among the others and leaves no train points.
    """
    return _helper(Sinusoid, shots, shuffle, test_shots, seed, **kwargs)


def harmonic(
    shots: int, shuffle: bool = True, test_shots: int | None = None, seed: int | None = None, **kwargs: Any
) -> Harmonic:
    """Tasks of `Harmonic`; see `sinusoid`."""
    return _helper(Harmonic, shots, shuffle, test_shots, seed, **kwargs)
