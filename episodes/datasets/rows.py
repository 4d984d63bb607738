"""What a row of a user's table says of its item: a class, that class's group, a part of a split."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from pathlib import Path

from episodes.datasets.splitting import PART_NAMES, part_called
from episodes.datasets.text.reading import clean_label
from episodes.errors import DataError, nearest


def label_of(place: Path, where: object, written: str | None) -> str:
    """The class, see `clean_label`.

    Args:
        place: the file, for messages.
        where: what to call the row in a message, e.g. `line 7`.
        written: what stands there.

    Raises:
        DataError: nothing stands there.
    """
    if label := clean_label(written or ""):
        return label
    raise DataError(f"'{place}', {where}: no label; give it one, or remove the row")


def add_group(groups: dict[str, str], place: Path, where: object, label: str, written: str | None) -> None:
    """Put the class into its group, which is the class itself where nothing is written; other arguments as `label_of`.

    Raises:
        DataError: the class is in another group already.
    """
    group = (clean_label(written) if written else "") or label
    known = groups.setdefault(label, group)
    if group != known:
        raise DataError(
            f"'{place}', {where}: class '{label}' is in group '{group}', and before in '{known}'; put a class in one "
            "group"
        )


def warn_of_case(place: Path, noun: str, names: Collection[str], further: int = 0) -> None:
    """Warn of names that differ in case alone, since a class would be split over several, even in other parts.

    Args:
        place: the file, for the message.
        noun: what the names are, of the plural.
        names: each once.
        further: how many calls lie between the caller and whoever is to be told.
    """
    spelt: dict[str, str] = {}
    for name in names:
        other = spelt.setdefault(name.casefold(), name)
        if other != name:
            warnings.warn(
                f"'{place}' has {noun} that differ in case alone, '{other}' and '{name}' first; each is a class of its "
                "own: spell them alike if they mean the same",
                stacklevel=3 + further,
            )
            return


def part_of(place: Path, where: object, written: str | None) -> str | None:
    """`train`, `validation` or `test`, or None where nothing is written; arguments as `label_of`.

    Raises:
        DataError: there is no such part.
    """
    if written is None or not written.strip():
        return None
    if part := part_called(written):
        return part
    meant = nearest(written.strip().lower(), PART_NAMES) or "; give train, validation or test"
    raise DataError(f"'{place}', {where}: there is no split '{written.strip()[:40]}'{meant}")


def says_tests(place: Path, parts: Collection[str | None]) -> bool:
    """Whether the rows say which items are for training and which for test.

    Args:
        place: the file, for messages.
        parts: of each row, as `part_of` gives it.

    Raises:
        DataError: some say it and others do not, or there are none for one of the two.
    """
    said = {None if part is None else part == "test" for part in parts}
    if said <= {None}:
        return False
    if None in said:
        raise DataError(f"'{place}' has rows with a split and rows without; give every row train or test")
    for test in (False, True):
        if test not in said:
            raise DataError(
                f"'{place}' has no row whose split is {'test' if test else 'train'}; add some, or leave the column out"
            )
    return True


def refuse_alone(place: Path, noun: str, training: Collection[str], test: Collection[str]) -> None:
    """Raise DataError for classes that are among those for training or for test alone.

    Args:
        place: the file, for the message.
        noun: what it calls items.
        training, test: the names of the classes.
    """
    for one, other, what in ((training, test, "train"), (test, training, "test")):
        if alone := sorted(set(one) - set(other)):
            raise DataError(
                f"'{place}' has class '{alone[0]}' ({len(alone)} in all) in {what} alone, and --task all-way takes all "
                f"classes in both; add {noun} of it, or leave the class out"
            )
