"""Class splits of datasets that have none of their own: a seeded shuffle, or an explicit list."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from episodes.bank import ImageBank
from episodes.datasets import PARTS, Dataset
from episodes.errors import DataError, nearest

DEFAULT = "seed=0"


def split_classes(bank: ImageBank, split: str | None) -> Dataset:
    """The bank's classes as train, validation and test.

    Args:
        bank: all classes; its name becomes the dataset's.
        split: `seed=N` for a shuffle of the sorted class names in parts of 64, 16 and 20 in a hundred (as
            mini-ImageNet's), each of at least 2 classes; None for `seed=0`; or a JSON file
            `{"train": [...], "validation": [...], "test": [...]}` of class names.

    Raises:
        DataError: too few classes, an unknown or doubled class, or a file that cannot be read.
    """
    split = split or DEFAULT
    if split.endswith(".json"):
        names = _read_list(Path(split).expanduser(), bank)
    elif re.fullmatch(r"seed=[0-9]{1,18}", split):
        names = _shuffled(bank, int(split.removeprefix("seed=")))
    else:
        raise DataError(f"'{bank.name}' has no split '{split}'; give seed=N, or a .json file of class names")
    return _by_names(bank, bank.name, split_name(split), names)


def split_key(split: str | None) -> str:
    """Another for another split, or another content of its file."""
    if split and split.endswith(".json"):
        with suppress(OSError):  # which `split_classes` names
            return repr(Path(split).expanduser().read_bytes())
    return split or DEFAULT


def split_name(split: str | None) -> str:
    """What records call the split that `split_classes` gives."""
    return Path(split or DEFAULT).name


def published_split(bank: ImageBank, name: str, file: str) -> Dataset:
    """The split that was published with a dataset, from `splits/FILE.json` in this package.

    Args:
        bank: all classes of the dataset.
        name: of the dataset.
        file: its split; every class name in it must be in the bank.

    Raises:
        DataError: a class of the split is missing from the bank.
    """
    content = published(file)
    known = set(bank.class_names)
    missing = [class_name for part in PARTS for class_name in content[part] if class_name not in known]
    if missing:
        raise DataError(
            f"'{name}' lacks {len(missing)} classes of its split, '{missing[0]}' first; fetch its files anew"
        )
    return _by_names(bank, name, file, content)


def refuse_split(name: str, split: str | None, known: Sequence[str] = ()) -> None:
    """Raise DataError if another split is asked of a dataset than None or one of its own.

    Args:
        name: the dataset's.
        split: what was asked.
        known: its splits, where it has several or a name for its one.
    """
    if split is None or split in known:
        return
    advice = f"leave --split out, or give {', '.join(known)}" if known else "leave --split out"
    if split.endswith(".json"):
        raise DataError(f"{name} has its published split, which a list, --split '{split}', cannot replace; {advice}")
    meant = nearest(split, known) if known else ", only the published one"
    raise DataError(f"{name} has no split '{split}'{meant}; {advice}")


def published(file: str) -> dict[str, Any]:
    """What `splits/FILE.json` in this package holds."""
    content: dict[str, Any] = json.loads(files("episodes.splits").joinpath(f"{file}.json").read_text(encoding="utf-8"))
    return content


def _by_names(bank: ImageBank, name: str, split: str, names: dict[str, list[str]]) -> Dataset:
    number = {class_name: index for index, class_name in enumerate(bank.class_names)}
    train, validation, test = (
        bank.select(f"{name}/{part}", [number[class_name] for class_name in names[part]]) for part in PARTS
    )
    return Dataset(name, split, train, validation, test)


def _shuffled(bank: ImageBank, seed: int) -> dict[str, list[str]]:
    if bank.classes < 6:
        raise DataError(
            f"'{bank.name}' has {bank.classes} classes; train, validation and test need at least 6, two for each"
        )
    names = sorted(bank.class_names)
    order = np.argsort(np.random.Philox(key=seed).random_raw(len(names)), kind="stable")
    held = max(2, round(0.16 * len(names)))
    tested = max(2, round(0.20 * len(names)))
    shuffled = [names[index] for index in order]
    return {
        "train": sorted(shuffled[held + tested :]),
        "validation": sorted(shuffled[:held]),
        "test": sorted(shuffled[held : held + tested]),
    }


def _read_list(path: Path, bank: ImageBank) -> dict[str, list[str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read --split '{path}': {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"--split '{path}' is not valid JSON: {error}") from None
    if not isinstance(content, dict) or any(not _is_names(content.get(part)) for part in PARTS):
        raise DataError(f"--split '{path}' must hold lists of class names under train, validation and test")
    seen: dict[str, str] = {}
    for part in PARTS:
        for name in content[part]:
            if name not in bank.class_names:
                raise DataError(
                    f"--split '{path}': '{bank.name}' has no class '{name}'{nearest(name, bank.class_names)}"
                )
            if name in seen:
                raise DataError(f"--split '{path}': class '{name}' is in {seen[name]} and in {part}; leave it in one")
            seen[name] = part
    return {part: content[part] for part in PARTS}


def _is_names(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)
