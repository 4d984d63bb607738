"""fewrel: sentences of Wikipedia by the relation between two things in them: 80 relations, 700 each; 48 / 16 / 16.

FewRel 1.0: Han et al. 2018; MIT; from https://github.com/thunlp/FewRel, data/train_wiki.json (64 relations),
data/val_wiki.json (16) and data/pid2name.json, as they are or as .gz, in a folder `fewrel` of --data-root. A class is
called by its relation in pid2name.json, `crosses`. The two things have marks around them, of Baldini Soares et al.
2019: `[E1] head [/E1]` and `[E2] tail [/E2]`, at the place that is named first.

The relations published for validation (val_wiki.json) are the test classes of --split 64-relations, the default, as in
most papers, since the authors' test relations are not public. Of the 64 for training, sorted by their Wikidata numbers,
every fourth validates: that choice is metabench's. --split 16-relations needs val_wiki.json alone: of its 16 relations,
sorted by number, the first of every three trains (6), the second validates (5), the third tests (5). `--task all-way`
takes all relations of the files that are there; one half of each one's sentences (shuffled by a fixed rule) is to learn
from, and the other queries.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from episodes.banks.text import TextBank
from episodes.dataset import PARTS, DataOptions, Dataset
from episodes.datasets.item_split import halves
from episodes.datasets.splitting import by_names, refuse_split
from episodes.datasets.text.reading import clean, clean_label, read_json
from episodes.datasets.text.sources import file_in, find_folder, needed_file
from episodes.errors import DataError

KIND = "text"

TRAIN, VAL, NAMES = "train_wiki.json", "val_wiki.json", "pid2name.json"
SOURCE = "https://github.com/thunlp/FewRel (folder data)"
WHOLE, SMALL = "64-relations", "16-relations"  # the splits


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """The relations of both files by the published split, or those of val_wiki.json alone by `--split 16-relations`.

    Raises:
        DataError: another split, or missing or unreadable files.
    """
    refuse_split(name, options.split, (WHOLE, SMALL))
    split = options.split or WHOLE
    folder = find(name, options)
    if split == WHOLE and not file_in(folder, TRAIN):
        raise DataError(
            f"{name} needs {TRAIN} of {SOURCE} in '{folder}'; put it there (packed as .gz or not), or give --split "
            f"{SMALL}, which works with what is there"
        )
    names = _names(folder)
    tested = _sentences(folder, VAL)
    trained = _sentences(folder, TRAIN) if split == WHOLE else {}
    if again := sorted(trained.keys() & tested.keys()):
        raise DataError(f"'{folder}' has relation {again[0]} in {TRAIN} and in {VAL}; download both again")
    order = _sorted(trained or tested)
    if split == WHOLE:
        others = [each for place, each in enumerate(order) if place % 4 != 3]
        parts = {"train": others, "validation": order[3::4], "test": _sorted(tested)}
    else:
        parts = {part: order[first::3] for first, part in enumerate(PARTS)}
    bank = _bank(name, trained | tested, names)
    return by_names(
        bank, name, split, {part: [names.get(each, each) for each in numbers] for part, numbers in parts.items()}
    )


def load_all(name: str, options: DataOptions) -> tuple[TextBank, TextBank]:
    """Two halves of each relation's sentences (see `halves`): of both files, or of val_wiki.json alone.

    The second by `--split 16-relations`, and with a warning where there is no train_wiki.json.

    Raises:
        DataError: another split, or missing or unreadable files.
    """
    refuse_split(name, options.split, (WHOLE, SMALL))
    folder = find(name, options)
    sentences = _sentences(folder, VAL)
    if options.split == WHOLE or (options.split is None and file_in(folder, TRAIN)):
        sentences = _sentences(folder, TRAIN) | sentences
    elif options.split is None:
        warnings.warn(
            f"{name}: '{folder}' has no {TRAIN}, so there are the {len(sentences)} relations of {VAL} alone",
            stacklevel=3,
        )
    return halves(_bank(name, sentences, _names(folder)))


def find(name: str, options: DataOptions) -> Path:
    """The folder with val_wiki.json and pid2name.json, and maybe train_wiki.json.

    Raises:
        DataError: it is nowhere.
    """
    return find_folder(name, options, "fewrel", (VAL, NAMES), SOURCE, f"{TRAIN}, {VAL} and {NAMES}")


def _names(folder: Path) -> dict[str, str]:
    """What the relations are called, by their numbers in Wikidata; no two alike."""
    path = needed_file(folder, NAMES)
    content = read_json(path)
    try:
        names = {number: clean_label(about[0]) for number, about in content.items()}
    except (AttributeError, TypeError, IndexError, KeyError):
        raise DataError(f"'{path}' does not hold a name for each relation; download it again") from None
    times: dict[str, int] = {}
    for each in names.values():
        times[each] = times.get(each, 0) + 1
    return {number: f"{each} ({number})" if times[each] > 1 else each for number, each in names.items()}


def _sentences(folder: Path, file: str) -> dict[str, list[str]]:
    """The texts of each relation of a file."""
    path = needed_file(folder, file)
    content = read_json(path)
    try:
        return {relation: [_marked(each) for each in sentences] for relation, sentences in content.items()}
    except (AttributeError, TypeError, IndexError, KeyError, ValueError):
        raise DataError(
            f"'{path}' does not hold lists of sentences (tokens, h and t) for each relation; download it again"
        ) from None


def _marked(sentence: dict[str, Any]) -> str:
    """The text of a sentence with marks around the first mention of its head and of its tail."""
    tokens: list[str] = sentence["tokens"]
    before: dict[int, list[str]] = {}
    after: dict[int, list[str]] = {}
    for number, thing in enumerate((sentence["h"], sentence["t"]), 1):
        place = thing[2][0]
        if not 0 <= place[0] <= place[-1] < len(tokens):
            raise ValueError("a mention is not in its sentence")
        before.setdefault(place[0], []).append(f"[E{number}]")
        after.setdefault(place[-1], []).insert(0, f"[/E{number}]")
    words = [
        word for place, token in enumerate(tokens) for word in (*before.get(place, ()), token, *after.get(place, ()))
    ]
    return " ".join(clean(" ".join(words)).split())


def _bank(called: str, sentences: dict[str, list[str]], names: dict[str, str]) -> TextBank:
    relations = _sorted(sentences)
    texts = [text for relation in relations for text in sentences[relation]]
    labels = [number for number, relation in enumerate(relations) for _ in sentences[relation]]
    classes = [names.get(each, each) for each in relations]
    return TextBank.from_labels(called, texts, labels, classes, classes)


def _sorted(relations: dict[str, list[str]]) -> list[str]:
    """By their numbers: P2 before P10."""
    return sorted(relations, key=lambda each: (int(each[1:]) if each[1:].isdecimal() else -1, each))
