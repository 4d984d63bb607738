"""clinc150 and banking77: short requests by intent; clinc150 has 150 of ten domains, banking77 has 77 of banking.

`clinc150`: Larson et al. 2019, 23,700 requests, of which 1,200 have no intent (`oos`, out of scope); CC BY 3.0; from
https://github.com/clinc/oos-eval, data/data_full.json. No class split was published; metabench's has whole domains, 5
for training, 2 for validation and 3 for test: 75 / 30 / 45 intents. A class's group is its domain. The requests out of
scope are left out but by `--split oos`: the same, with a class `oos` in test.

`banking77`: Casanueva et al. 2020, 13,083 requests to a bank; CC BY 4.0; from
https://github.com/PolyAI-LDN/task-specific-datasets, banking_data/train.csv and test.csv. No class split was published;
metabench's has 37 / 15 / 25 intents, shuffled, so intents that are near each other are in different parts.

Both need their files, as they are or as .gz, in a folder `clinc150` or `banking77` of --data-root. Other class splits:
--split seed=N, small-seed=N, or a .json file. A class has its training texts, then those for validation, then for test.
`--task all-way` has the published test texts as queries, and all others to learn from; with --split few-shot-5 or
few-shot-10 the fixed draws of Zhang et al. 2021 (see `few_shot_intents`), in a folder `intent-few-shot` of --data-root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from episodes.banks.text import TextBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import published, refuse_split, whole_split
from episodes.datasets.text.few_shot_intents import DRAWS as SHOTS
from episodes.datasets.text.few_shot_intents import Texts, read_draw
from episodes.datasets.text.reading import clean, clean_label, read_json, read_rows
from episodes.datasets.text.sources import find_folder, needed_file
from episodes.errors import DataError

KIND = "text"
DRAWS = tuple(SHOTS)

FILES = {"clinc150": ("data_full.json",), "banking77": ("train.csv", "test.csv")}
SOURCES = {
    "clinc150": "https://github.com/clinc/oos-eval (folder data)",
    "banking77": "https://github.com/PolyAI-LDN/task-specific-datasets (folder banking_data)",
}
DOMAINS, OOS = "domains", "oos"  # the splits of clinc150; the second is a class and a group too


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """All texts of each intent, and the intents by metabench's split or the one that is asked for.

    Raises:
        DataError: a split that there is not, or missing or unreadable files.
    """
    if options.split in DRAWS:
        raise DataError(
            f"--split {options.split} of {name} has the same intents to learn from and for test; give --task all-way "
            "with it"
        )
    training, test = _read(name, find(name, options))
    bank = _bank(name, name, _within(training) + _within(test))
    if name != "clinc150":
        return whole_split(bank, name, options.split)
    dataset = whole_split(bank, name, None if options.split == OOS else options.split, DOMAINS)
    if options.split != OOS:
        return dataset
    beyond = _bank(name, name, _beyond(training) + _beyond(test))
    return replace(dataset, split=OOS, test=TextBank.joined(dataset.test.name, [dataset.test, beyond]))


def load_all(name: str, options: DataOptions) -> tuple[TextBank, TextBank]:
    """The texts for training and validation, and those for test, as published, or those of a draw; `--split oos` as in
    `load`.

    Raises:
        DataError: another split, or missing or unreadable files.
    """
    if options.split in DRAWS:
        training, test = read_draw(name, options.split, options, _groups(name))
    else:
        refuse_split(name, options.split, (*((DOMAINS, OOS) if name == "clinc150" else (name,)), *DRAWS))
        training, test = _read(name, find(name, options))
    wanted = (lambda texts: texts) if options.split == OOS else _within
    return _bank(name, f"{name}/train", wanted(training)), _bank(name, f"{name}/test", wanted(test))


def find(name: str, options: DataOptions) -> Path:
    """The folder with the files.

    Raises:
        DataError: it is nowhere.
    """
    return find_folder(name, options, name, FILES[name], SOURCES[name])


def _read(name: str, folder: Path) -> tuple[Texts, Texts]:
    """The texts for training and validation, and those for test."""
    paths = [needed_file(folder, file) for file in FILES[name]]
    if name == "clinc150":
        return _read_clinc(paths[0])
    training, test = ([(clean(text or ""), clean_label(label or "")) for text, label in _rows(path)] for path in paths)
    return training, test


def _rows(path: Path) -> list[list[str | None]]:
    return [row.fields for row in read_rows(path, ("text", "category"), advice="download it again")]


def _read_clinc(path: Path) -> tuple[Texts, Texts]:
    content = read_json(path)

    def of(*parts: str) -> Texts:
        return [(clean(text), clean_label(intent)) for part in parts for text, intent in content[part]]

    try:
        return of("train", "val", "oos_train", "oos_val"), of("test", "oos_test")
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DataError(
            f"'{path}' does not hold lists of texts with their intents under train, val, test, oos_train, oos_val and "
            "oos_test; download data_full.json again"
        ) from None


def _within(texts: Texts) -> Texts:
    return [(text, intent) for text, intent in texts if intent != OOS]


def _beyond(texts: Texts) -> Texts:
    return [(text, intent) for text, intent in texts if intent == OOS]


def _bank(name: str, called: str, texts: Texts) -> TextBank:
    groups = _groups(name)
    names = sorted({intent for _, intent in texts})
    numbers = {intent: number for number, intent in enumerate(names)}
    labels: Sequence[int] = [numbers[intent] for _, intent in texts]
    return TextBank.from_labels(
        called, [text for text, _ in texts], labels, names, [groups.get(each, each) for each in names]
    )


def _groups(name: str) -> dict[str, str]:
    """The domain of each intent that has one."""
    content: dict[str, Any] = published(name)
    if name == "banking77":
        return {intent: "banking" for part in ("train", "validation", "test") for intent in content[part]}
    return {intent: domain for domain, intents in content["domains"].items() for intent in intents}
