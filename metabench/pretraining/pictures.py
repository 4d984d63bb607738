"""The pictures of a pre-training: those of training classes; none of a class for validation or test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.combine import mix
from episodes.datasets.overlap import class_of, same_source
from episodes.names import short_name
from metabench.errors import UsageError
from metabench.experiment.pretrained import is_trained_on
from metabench.pretraining.config import PretrainConfig
from metabench.pretraining.corpus import Corpus, named_datasets, names_of, tested_on, to_be_left_out
from metabench.weights.encoder_file import Source


def read_pictures(config: PretrainConfig) -> Corpus[ImageBank]:
    """Read all pictures that a configuration asks for; several datasets are mixed as in a run.

    Left out are copies of pictures of validation and test classes; of `--without` datasets whole classes, too, where a
    dataset of the same source has their name.

    Raises:
        UsageError: nothing is left to train on.
        DataError: a dataset cannot be loaded, has no pictures, or trains on a test class of another.
    """
    options = DataOptions(config.data_root, config.split, config.image_size, config.channels)
    datasets: list[Dataset[ImageBank]] = named_datasets(config, "images", options)
    whole = mix(datasets) if len(datasets) > 1 else datasets[0]
    channels, height, width = whole.train.item_shape
    unseen, kept = tested_on(whole), np.ones(len(whole.train), dtype=bool)
    # The size that a run will load them in; pictures that are not square come in one size alone.
    alike = replace(options, split=None, image_size=height if height == width else None, channels=channels)
    for name in names_of(config.without, "--without"):
        for other in to_be_left_out(name, "images", alike):
            unseen |= tested_on(other)
            kept &= ~_of_tested_classes(datasets, other).repeat(whole.train.sizes)
    digests = np.asarray(whole.train.item_digests(), dtype=np.int64)
    kept &= ~np.isin(digests, list(unseen))
    if not kept.any():
        raise UsageError(
            f"all {len(kept)} images of --dataset {config.dataset} are of classes for validation or test; give others"
        )
    sources = _sources(datasets, whole.train, kept)
    return Corpus(
        "+".join(source.name for source in sources),
        _only(whole.train, kept),
        whole.validation,
        sources,
        digests[kept],
        int((~kept).sum()),
    )


def _of_tested_classes(datasets: Sequence[Dataset[ImageBank]], other: Dataset[ImageBank]) -> NDArray[np.bool_]:
    """Which of all training classes have the name of a class that another dataset of their source tests."""
    banks = [bank for bank in (other.validation, other.test) if not is_trained_on(bank, other)]
    tested = {class_of(name) for bank in banks for name in bank.class_names}
    return np.array(
        [
            class_of(name) in tested and same_source(short_name(dataset.name), short_name(other.name))
            for dataset in datasets
            for name in dataset.train.class_names
        ]
    )


def _sources(datasets: Sequence[Dataset[ImageBank]], bank: ImageBank, kept: NDArray[np.bool_]) -> tuple[Source, ...]:
    """What was read of each dataset, whose classes follow each other in the bank of all."""
    counts, made = np.add.reduceat(kept, bank.class_starts, dtype=np.int64), []
    for dataset in datasets:
        own, counts = counts[: dataset.train.classes], counts[dataset.train.classes :]
        made.append(
            Source(
                kind="dataset",
                name=short_name(dataset.name),
                split=dataset.split,
                fingerprint=dataset.train.fingerprint,
                validation_fingerprint=dataset.validation.fingerprint,
                items=int(own.sum()),
                validation_items=len(dataset.validation),
                image_shape=bank.item_shape,
                classes=tuple(name for name, count in zip(dataset.train.class_names, own, strict=True) if count),
            )
        )
    return tuple(made)


def _only(bank: ImageBank, kept: NDArray[np.bool_]) -> ImageBank:
    """A bank of the rows that are kept, without classes of which none is."""
    if kept.all():
        return bank
    classes = np.unique(bank.labels.numpy()[kept]).tolist()
    return bank.select(bank.name, classes).at(bank.name, np.flatnonzero(kept[bank.rows_of(classes)]))
