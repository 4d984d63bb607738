"""What is asked of a dataset, and what it gives: a bank each for training, validation and test."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from episodes.banks.bank import Bank, Kind
from episodes.episode import EpisodeIndices
from episodes.places import cache_folder

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class DataOptions:
    """What a user may ask of a dataset; None leaves it to the dataset.

    Attributes:
        data_root: the folder with the dataset's files, or to download them to; None for the environment variable
            METABENCH_DATA, and without it a folder in the cache.
        split: the class split: a name that the dataset knows, or a JSON file, also one in `data_root`,
            `{"train": [...], "validation": [...], "test": [...]}` of class names.
        image_size: height and width in pixels that the images are resized to, from 16 to 1024.
        channels: 1 for grey, 3 for colour.
        max_tokens: of a text, special tokens included, from 8 to 512; the end of a longer one is cut.
        across: what support and queries are to differ in, where the dataset has that: `styles`.
        download: whether files that are missing may be downloaded.
    """

    data_root: Path | None = None
    split: str | None = None
    image_size: int | None = None
    channels: int | None = None
    max_tokens: int | None = None
    across: str | None = None
    download: bool = True

    @property
    def folder(self) -> Path:
        """The folder with the datasets' files, or to download them to."""
        return self.data_root or cache_folder() / "data"


AnyBank = TypeVar("AnyBank", bound=Bank, covariant=True)


@dataclass(frozen=True)
class Dataset(Generic[AnyBank]):
    """Three banks of one kind with no class in common.

    Attributes:
        name: as asked for, e.g. `glyphs` or `folder:flowers`.
        split: the name of the class split, for records.
        test_episodes: the test tasks that were published with it, each of B = 1; none where they are to be drawn.
        queries: how many per class a test task has where none are asked for; None for the number of most datasets.
        synonyms: the names of classes by other names, by which tasks may name them.
        shots: how many per class a task has where none are asked for, if it has one draw of labelled items; else None.
    """

    name: str
    split: str
    train: AnyBank
    validation: AnyBank
    test: AnyBank
    test_episodes: tuple[EpisodeIndices, ...] = ()
    queries: int | None = None
    synonyms: Mapping[str, str] = field(default_factory=dict)
    shots: int | None = None

    @property
    def kind(self) -> Kind:
        """Of all its banks."""
        return self.train.kind


def with_data_root(options: DataOptions) -> DataOptions:
    """The options with the environment variable METABENCH_DATA in place of no `data_root`.

    The file of a split that is not in the current folder may be in `data_root`.
    """
    if options.data_root is None and os.environ.get("METABENCH_DATA"):
        options = replace(options, data_root=Path(os.environ["METABENCH_DATA"]))
    if options.data_root and options.split and options.split.endswith(".json") and not Path(options.split).exists():
        there = options.data_root / options.split
        return replace(options, split=str(there)) if there.is_file() else options
    return options
