"""Class splits of datasets that have none of their own: a seeded shuffle, or an explicit list."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeGuard, TypeVar

import numpy as np

from episodes.banks.bank import ItemBank
from episodes.dataset import PARTS, Dataset
from episodes.errors import DataError, counted, nearest
from episodes.files.archives import user_path
from episodes.files.json_text import json_fault, keys_once

DEFAULT, SMALL = "seed=0", "small-seed=0"  # for as many classes as ENOUGH, and for fewer
ALL = "all"  # every class in every part, for a test on classes of another dataset than that of training
ENOUGH = 31  # classes from which a fifth for test is 6, enough for 5 ways
HELD = 5  # classes of validation, and of test, in a small split of 15 classes or more
MOST_BYTES = 2**26  # of a file with a split

# What folders and columns call the parts of a split, and their names here.
PART_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
    "base": "train",
    "novel": "test",
}

AnyItems = TypeVar("AnyItems", bound=ItemBank)


def part_called(name: str) -> str | None:
    """The part of a split that a folder or a column means: `train` by `Training`, `0_train`, `meta-train`, `base`."""
    return PART_NAMES.get(re.sub(r"^(?:[0-9]+[-_. ]+)?(?:meta[-_ ]?)?", "", name.strip().lower()))


def parts_of_classes(labels: Sequence[str], parts: Sequence[str | None]) -> dict[str, list[str]]:
    """The class names of each part, where parts share no class; nothing where they do, or all items are in one.

    Where some items are in no part and others are, the former are in one called "", which `own_parts` refuses.

    Args:
        labels: the class of each item.
        parts: and its part.
    """
    names: dict[str, set[str]] = {}
    for label, part in zip(labels, parts, strict=True):
        names.setdefault(part or "", set()).add(label)
    said = [of_part for part, of_part in names.items() if part]
    shared = sum(map(len, said)) - len(set().union(*said))
    some = bool(said) and "" in names
    return {part: sorted(of_part) for part, of_part in names.items()} if some or (len(said) > 1 and not shared) else {}


def own_parts(root: Path, split: str | None, parts: dict[str, list[str]]) -> dict[str, list[str]]:
    """The parts that folders or columns have, as far as they count: none where another split is asked for.

    Raises:
        DataError: they count, and are no split of the classes.
    """
    if split or not parts:
        return {}
    around = "give --split seed=0 to shuffle the classes of all its parts, or a .json file"
    if "" in parts:
        raise DataError(f"'{root}' has rows with a split and rows without; give every row one, or {around}")
    if missing := [part for part in PARTS if part not in parts]:
        raise DataError(
            f"'{root}' has classes for {' and '.join(sorted(parts))} and none for {' and '.join(missing)}; "
            f"add some there, or {around}"
        )
    seen: dict[str, str] = {}
    for part in PARTS:
        for name in parts[part]:
            if name in seen:
                raise DataError(
                    f"'{root}': class '{name}' is in {seen[name]} and in {part}, and few-shot parts have no class in "
                    f"common; leave it in one, or {around}"
                )
            seen[name] = part
    return parts


def split_classes(bank: AnyItems, split: str | None, otherwise: str = "give more") -> Dataset[AnyItems]:
    """The bank's classes as train, validation and test.

    Args:
        bank: all classes; its name becomes the dataset's.
        split: `seed=N` for a shuffle of the sorted class names in parts of 64, 16 and 20 in a hundred (as
            mini-ImageNet's), each of at least 2 classes; `small-seed=N` for 5 classes for validation and 5 for test, or
            a third each where there are fewer than 15 classes, and the rest for training; None for `seed=0`, and below
            31 classes for `small-seed=0`; a JSON file `{"train": [...], "validation": [...], "test": [...]}` of class
            names; or `all` for all classes in each of the three, which is for tests of what was trained on another
            dataset.
        otherwise: what to do with too few classes, for the message.

    Raises:
        DataError: too few classes, an unknown or doubled class, or a file that cannot be read.
    """
    chosen = split or split_name(None, bank.classes)
    if chosen == ALL:
        train, validation, test = (bank.renamed(f"{bank.name}/{part}") for part in PARTS)
        return Dataset(bank.name, ALL, train, validation, test)
    if is_file(split):
        names = _read_list(user_path(split), bank)
    elif re.fullmatch(r"(small-)?seed=[0-9]{1,18}", chosen):
        names = _shuffled(bank, int(chosen.partition("=")[2]), small=chosen.startswith("small"), otherwise=otherwise)
    else:
        raise DataError(
            f"'{bank.name}' has no split '{chosen}'; give seed=N, small-seed=N, or a .json file of class names"
        )
    return by_names(bank, bank.name, split_name(chosen, bank.classes), names)


def is_file(split: str | None) -> TypeGuard[str]:
    """Whether a split is asked for by a file's name."""
    return split is not None and split.lower().endswith(".json")


def split_key(split: str | None) -> str:
    """A key that differs for another split, or another content of its file."""
    if is_file(split):
        with suppress(DataError):  # which `split_classes` raises too
            return repr(_content(user_path(split)))
    return split or DEFAULT


def split_name(split: str | None, classes: int) -> str:
    """What records call the split that `split_classes` gives of so many classes."""
    return Path(split or (DEFAULT if classes >= ENOUGH else SMALL)).name


def published_split(bank: AnyItems, name: str, file: str) -> Dataset[AnyItems]:
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
            f"'{name}' lacks {len(missing)} classes of its split, '{missing[0]}' first; download its files again"
        )
    return by_names(bank, name, file, content)


def whole_split(bank: AnyItems, file: str, split: str | None, called: str = "") -> Dataset[AnyItems]:
    """The split of a dataset that was published without one: metabench's own, or what the user asks for.

    Args:
        bank: all classes of the dataset, under its name.
        file: metabench's split, as for `published_split`; it has every class.
        split: what was asked: None or its name for that split, or as for `split_classes`.
        called: its name, where that is not the file's.

    Raises:
        DataError: the bank has other classes, or as `split_classes`.
    """
    content = published(file)
    known = {class_name for part in PARTS for class_name in content[part]}
    if other := [class_name for class_name in bank.class_names if class_name not in known]:
        raise DataError(
            f"'{bank.name}' has {len(other)} classes that are not its own, '{other[0]}' first; download its files again"
        )
    if split in (None, called or file):
        return replace(published_split(bank, bank.name, file), split=called or file)
    return split_classes(bank, split)


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
    if is_file(split):
        raise DataError(f"{name} has its published split, which a list, --split '{split}', cannot replace; {advice}")
    only = "" if known else ", only the published one"
    raise DataError(f"{name} has no split '{split}'{only}{nearest(split, known) or f'; {advice}'}")


def published(file: str) -> dict[str, Any]:
    """What `splits/FILE.json` in this package holds."""
    content: dict[str, Any] = json.loads(files("episodes.splits").joinpath(f"{file}.json").read_text(encoding="utf-8"))
    return content


def by_names(bank: AnyItems, name: str, split: str, names: dict[str, list[str]]) -> Dataset[AnyItems]:
    """The bank's classes as train, validation and test, by the names that each part has."""
    number = {class_name: index for index, class_name in enumerate(bank.class_names)}
    train, validation, test = (
        bank.select(f"{name}/{part}", [number[class_name] for class_name in names[part]]) for part in PARTS
    )
    return Dataset(name, split, train, validation, test)


def _shuffled(bank: ItemBank, seed: int, *, small: bool, otherwise: str) -> dict[str, list[str]]:
    count = bank.classes
    if count < 6:
        raise DataError(
            f"'{bank.name}' has {counted(count, 'classes')}; train, validation and test need at least 6, two for each: "
            f"{otherwise}"
        )
    names = sorted(bank.class_names)
    order = np.argsort(np.random.Philox(key=seed).random_raw(count), kind="stable")
    if small:
        held = tested = min(HELD, count // 3)
    else:
        held, tested = max(2, round(0.16 * count)), max(2, round(0.20 * count))
    shuffled = [names[index] for index in order]
    return {
        "train": sorted(shuffled[held + tested :]),
        "validation": sorted(shuffled[:held]),
        "test": sorted(shuffled[held : held + tested]),
    }


def _content(path: Path) -> bytes:
    """A split file's bytes; raises DataError where there are none, or too many."""
    if path.exists() and not path.is_file():
        raise DataError(f"cannot read --split '{path}': it is not a file; give a .json file of class names")
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"cannot read --split '{path}': {reason}; give a .json file that is there") from None
    if len(content) > MOST_BYTES:
        raise DataError(f"--split '{path}' has more than {MOST_BYTES:,} bytes, no list of class names; name another")
    return content


def _read_list(path: Path, bank: ItemBank) -> dict[str, list[str]]:
    content = _content(path)
    try:
        content = json.loads(content, object_pairs_hook=keys_once)  # UTF-8, 16 or 32, by its first bytes
    except DataError as error:
        raise DataError(f"--split '{path}' {error}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"--split '{path}' is not valid JSON: {json_fault(error)}") from None
    must = f"--split '{path}' must hold lists of class names under train, validation and test"
    if not isinstance(content, dict):
        raise DataError(f"{must}; found {type(content).__name__}")
    for part in PARTS:
        if part not in content:
            raise DataError(f"{must}; found no '{part}'{nearest(part, content)}")
        if not isinstance(content[part], list) or not content[part]:
            found = "an empty list" if content[part] == [] else type(content[part]).__name__
            raise DataError(f"{must}; found {found} under '{part}'")
        if others := [name for name in content[part] if not isinstance(name, str)]:
            raise DataError(f"{must}; found {json.dumps(others[0])[:80]} under '{part}', which is not text in quotes")
    return _known(path, bank, {part: [unicodedata.normalize("NFC", each) for each in content[part]] for part in PARTS})


def _known(path: Path, bank: ItemBank, parts: dict[str, list[str]]) -> dict[str, list[str]]:
    known = {unicodedata.normalize("NFC", name): name for name in bank.class_names}
    missing = [name for part in PARTS for name in parts[part] if name not in known]
    if missing:
        more = f", nor {len(missing) - 1} others that it names" if len(missing) > 1 else ""
        meant = nearest(missing[0], known)
        raise DataError(
            f"--split '{path}': '{bank.name}' has no class '{missing[0]}'{more}"
            + (meant or "; `metabench data classes` shows all that it has")
        )
    seen: dict[str, str] = {}
    for part in PARTS:
        for name in parts[part]:
            if name in seen:
                where = f"twice in {part}" if seen[name] == part else f"in {seen[name]} and in {part}"
                raise DataError(f"--split '{path}': class '{name}' is {where}; leave it in one")
            seen[name] = part
    return {part: [known[name] for name in parts[part]] for part in PARTS}
