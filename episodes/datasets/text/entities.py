"""wnut17: named entities of six types in 4,403 short messages of social media, 2 types each to train, validate, test.

Derczynski et al. 2017 (WNUT 2017's shared task on novel and emerging entities); CC BY 4.0; from
https://github.com/leondz/emerging_entities_17. Needs wnut17train.conll and emerging.dev.conll, as they are or as .gz,
in a folder `wnut17` of --data-root. No split of the types was published; metabench's has person and location for
training, corporation and group for validation, creative-work and product for test: of each pair the two types are
near each other, and test has the rarer ones. A sentence is in a part if all its mentions are of the part's types, so
275 of 1,856 with mentions are in none; the 2,547 without any mention are in none either, and of sentences with the same
words one alone is kept. Other splits: --split small-seed=N or a .json file. `--task all-way` has all six types, the
training file for the support and the development file, of other sources, as queries.
"""

from __future__ import annotations

from pathlib import Path

from episodes.banks.spans import SpanBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import by_names, refuse_split, split_classes
from episodes.datasets.text.conll import once_each, read_conll
from episodes.datasets.text.sources import find_folder, needed_file
from episodes.datasets.text.spans import ALL_CLASSES, held_out

KIND = "entities"

TRAINING, DEVELOPMENT = FILES = ("wnut17train.conll", "emerging.dev.conll")
OWN = "wnut17"  # the name of metabench's split
TYPES = {
    "train": ["location", "person"],
    "validation": ["corporation", "group"],
    "test": ["creative-work", "product"],
}


def load(name: str, options: DataOptions) -> Dataset[SpanBank]:
    """The sentences of both files by metabench's split of the types, or the one that is asked for.

    Raises:
        DataError: missing or unreadable files, or a split that there is not.
    """
    folder = find(name, options)
    (training, types), (development, _) = (read_conll(needed_file(folder, file)) for file in FILES)
    bank = once_each(SpanBank(name, training + development, types))
    if options.split in (None, OWN):
        return by_names(bank, name, OWN, TYPES)
    return split_classes(bank, options.split)


def load_spans(name: str, options: DataOptions) -> Dataset[SpanBank]:
    """All types, the development file held out as queries.

    Raises:
        DataError: another split, or missing or unreadable files.
    """
    refuse_split(name, options.split)
    folder = find(name, options)
    (training, types), (development, _) = (read_conll(needed_file(folder, file)) for file in FILES)
    return held_out(name, ALL_CLASSES, training, development, types)


def find(name: str, options: DataOptions) -> Path:
    """The folder with the files; raises DataError where there is none."""
    return find_folder(name, options, "wnut17", FILES, "https://github.com/leondz/emerging_entities_17")
