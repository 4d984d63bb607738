"""What a pre-training reads: texts of training classes and of files; none of a class for validation or test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
from numpy.typing import NDArray

import episodes
from episodes.banks.bank import Kind
from episodes.banks.text import TextBank, hash_text
from episodes.dataset import AnyBank, DataOptions, Dataset
from episodes.datasets import kind_of
from episodes.datasets.all_way import all_way
from episodes.datasets.text.reading import clean, lines, opened
from episodes.errors import DataError, readable
from episodes.names import parts, short_name
from metabench.errors import UsageError
from metabench.experiment.pretrained import unseen_items
from metabench.pretraining.config import PretrainConfig
from metabench.weights.encoder_file import Source

HELD_OUT = 50  # one of so many texts of a file is for validation


@dataclass(frozen=True, eq=False)
class Corpus(Generic[AnyBank]):
    """Texts, or pictures.

    Attributes:
        name: of where they are from.
        train: to train on.
        validation: to validate on: of the validation classes, and a share of the files' lines.
        sources: where they are from.
        digests: `[items]` int64, `item_digests` of those to train on.
        left_out: how many are not among them, since a class for validation or test has them too.
    """

    name: str
    train: AnyBank
    validation: AnyBank
    sources: tuple[Source, ...]
    digests: NDArray[np.int64]
    left_out: int


def read_corpus(config: PretrainConfig) -> Corpus[TextBank]:
    """Read all texts that a configuration asks for.

    Raises:
        UsageError: a file that is none of texts, or nothing left to train on.
        DataError: a dataset cannot be loaded, or has no texts.
    """
    datasets: list[Dataset[TextBank]] = named_datasets(config, "text", DataOptions(config.data_root, config.split))
    unseen = {digest for dataset in datasets for digest in tested_on(dataset)}
    for name in names_of(config.without, "--without"):
        held_out_of = to_be_left_out(name, "text", DataOptions(config.data_root))
        unseen |= {digest for dataset in held_out_of for digest in tested_on(dataset)}
    train: list[str] = []
    validation: list[str] = []
    sources, left_out = [], 0
    for dataset in datasets:
        kept, gone = _without(dataset.train.texts(), unseen)
        held = list(dataset.validation.texts())
        sources.append(_of_dataset(dataset, len(kept), len(held)))
        train, validation, left_out = train + kept, validation + held, left_out + gone
    for path in config.text:
        kept, gone = _without(read_texts(path), unseen)
        kept, held = held_out(kept)
        sources.append(_of_file(path, len(kept), len(held)))
        train, validation, left_out = train + kept, validation + held, left_out + gone
    if not train or not validation:
        without = f" (left out: {left_out:,} that classes for validation or test have)" if left_out else ""
        raise UsageError(
            f"too few texts: {len(train)} to train on and {len(validation)} to validate on{without}; give more"
        )
    name = "+".join(source.name for source in sources)
    read = _bank(f"{name}/train", train)
    digests = np.asarray(read.item_digests(), dtype=np.int64)
    return Corpus(name, read, _bank(f"{name}/validation", validation), tuple(sources), digests, left_out)


def read_texts(path: Path) -> list[str]:
    """The lines of a file, without empty ones.

    Raises:
        UsageError: there is no such file, or it has no texts.
        DataError: it cannot be read, or is not text in UTF-8, or in UTF-16 with a byte order mark.
    """
    path = path.expanduser()
    if not os.path.isfile(path):  # noqa: PTH113 - which takes a NUL in the path
        fault = "no regular file" if os.path.exists(path) else "not there"  # noqa: PTH110
        raise UsageError(f"--text '{path}' is {fault}; give a file with a text on each line")
    if (shown := readable(path.name)) != path.name:
        raise UsageError(f"the name of --text '{shown}' is not UTF-8, and no record could hold it; rename it")
    with opened(path) as file:
        found = [text for line in lines(file, path) if (text := clean(line).strip())]
    if not found:
        raise UsageError(f"--text '{path}' has no texts; give a file with a text on each line")
    return found


def held_out(texts: list[str]) -> tuple[list[str], list[str]]:
    """Texts to train and to validate on; which is which follows from the text alone, and copies go together."""
    hashes = [hash_text(text) for text in texts]
    distinct = sorted(set(hashes))
    few = set(distinct[: max(1, len(distinct) // HELD_OUT)])
    pairs = list(zip(texts, hashes, strict=True))
    return [text for text, each in pairs if each not in few], [text for text, each in pairs if each in few]


def named_datasets(config: PretrainConfig, kind: Kind, options: DataOptions) -> list[Dataset[Any]]:
    """Those of `--dataset`, each by itself.

    Raises:
        UsageError: one is named twice, or a class split is asked of several.
        DataError: one cannot be loaded, or is of another kind.
    """
    names = names_of(config.dataset, "--dataset")
    if config.split and len(names) > 1:
        raise UsageError(f"--split {config.split} does not fit several datasets; leave it out, or name one dataset")
    for name in names:
        _check_kind(name, kind)
    return [episodes.load(name, options) for name in names]


def names_of(given: str | None, option: str) -> list[str]:
    """The datasets that an option names; UsageError for one that comes twice."""
    names = parts(given) if given else []
    if twice := [each for each in names if names.count(each) > 1]:
        raise UsageError(f"{option} {given} has '{twice[0]}' twice; name each dataset once")
    return names


def tested_on(dataset: Dataset[Any]) -> set[int]:
    """The digest of every item that runs on that dataset validate or test on, support of all-way tasks aside."""
    banks = (dataset.validation, dataset.test)
    return {int(each) for bank in banks for each in np.asarray(bank.item_digests())[unseen_items(bank, dataset)]}


def to_be_left_out(name: str, kind: Kind, options: DataOptions) -> list[Dataset[Any]]:
    """A dataset by its class split, and by its all-way tasks, as far as it has both.

    Raises:
        DataError: it has neither, or is of another kind.
    """
    _check_kind(name, kind)
    found: list[Dataset[Any]] = []
    refusals = []
    for load in (episodes.load, all_way):
        try:
            found.append(load(name, options))
        except DataError as error:
            refusals.append(error)
    if not found:
        raise refusals[0]
    return found


def _check_kind(name: str, kind: Kind) -> None:
    if (found := kind_of(name)) != kind:
        raise DataError(f"'{name}' has {found}, and this objective takes {kind}; name a dataset of {kind}")


def _without(texts: Iterable[str], unseen: set[int]) -> tuple[list[str], int]:
    """Those texts that are not among the unseen, and how many are."""
    every = list(texts)
    kept = [text for text in every if hash_text(text) not in unseen]
    return kept, len(every) - len(kept)


def _bank(name: str, texts: list[str]) -> TextBank:
    return TextBank.from_labels(name, texts, [0] * len(texts), ["text"], ["text"])


def _of_dataset(dataset: Dataset[TextBank], texts: int, held: int) -> Source:
    return Source(
        kind="dataset",
        name=short_name(dataset.name),
        split=dataset.split,
        fingerprint=dataset.train.fingerprint,
        validation_fingerprint=dataset.validation.fingerprint,
        items=texts,
        validation_items=held,
    )


def _of_file(path: Path, texts: int, held: int) -> Source:
    digest = hashlib.sha256(path.expanduser().read_bytes()).hexdigest()
    return Source(
        kind="file",
        name=path.name,
        split="",
        fingerprint=digest,
        validation_fingerprint=digest,
        items=texts,
        validation_items=held,
    )
