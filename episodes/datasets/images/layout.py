"""Which folders of a tree of pictures are its classes, which are their groups, and which are parts of a split."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from episodes.datasets.splitting import part_called
from episodes.errors import DataError, readable
from episodes.files.pictures import Pictures


@dataclass(frozen=True)
class Layout:
    """What a tree's folders mean.

    Attributes:
        classes: of each picture.
        groups: of each class, by its name: the folder that it is in; itself where it is in none.
        parts: the class names of train, validation and test, where the tree says so itself; else nothing.
        part_of: each picture's, likewise.
    """

    classes: list[str]
    groups: dict[str, str]
    parts: dict[str, list[str]]
    part_of: Sequence[str] = ()


def read_layout(pictures: Pictures) -> Layout:
    """The layout of a folder or an archive.

    Folders around everything are passed over. If those below are called train, validation and test (or `val`,
    `0_test`, `meta-train`, `base`, `novel` and the like, see `part_called`), they are the parts of a split, and each
    has the classes below. Classes
    are the first folders that hold pictures themselves, with all that is further below; or those with one folder each.
    Folders above classes are their groups: a class is then called by its own folder, or as `group/class` where the same
    name is in several groups.

    Class names are in Unicode's composed form (NFC), whatever form the file system has them in.

    Raises:
        DataError: there are no pictures; some are in no class; a class has none; the same class in two forms of Unicode
            or in two parts; names that are not UTF-8; or a tree that can be read in two ways.
    """
    root = pictures.root
    folders = [path.split("/")[:-1] for path in pictures.paths]
    for folder in folders:
        _refuse_foreign(root, folder)
    if not folders:
        raise _no_classes(root, "it has no pictures")
    every = [path.split("/") for path in pictures.listing.folders]
    above = _common(folders)
    names = {folder[above] if len(folder) > above else "" for folder in folders}
    parts = {name: part_called(name) or "" for name in names}
    if sum(map(bool, parts.values())) >= 2 and all(len(folder) > above for folder in folders):
        return _of_parts(root, folders, every, above, parts)
    classes, groups = _classes(root, folders, every, above)
    _refuse_forms(root, classes)
    return Layout([_composed(each) for each in classes], {_composed(a): _composed(b) for a, b in groups.items()}, {})


def _of_parts(
    root: Path, folders: list[list[str]], every: list[list[str]], above: int, parts: dict[str, str]
) -> Layout:
    """The layout of folders train, validation and test."""
    other = sorted(name for name, part in parts.items() if not part)
    twice = [part for part, times in Counter(filter(None, parts.values())).items() if times > 1]
    if other or twice:
        found = ", ".join(sorted(parts))
        raise DataError(
            f"'{root}' has folders {found}: parts of a split "
            + (f"and others ('{other[0]}')" if other else f"of which two are '{twice[0]}'")
            + "; leave train, validation and test, or put all class folders side by side"
        )
    classes = [""] * len(folders)
    part_of = [parts[folder[above]] for folder in folders]
    groups: dict[str, str] = {}
    of_part: dict[str, list[str]] = {}
    for name, part in parts.items():
        rows = [row for row, folder in enumerate(folders) if folder[above] == name]
        own = [folders[row] for row in rows]
        within = [folder for folder in every if len(folder) > above and folder[above] == name]
        if min(map(len, own)) == above + 1:
            raise _no_classes(root, f"its part '{name}' has pictures without class folders")
        start = max(above + 1, _common(own))
        labels, its_groups = _classes(root, own, within, start)
        _refuse_forms(root, labels)
        for row, label in zip(rows, labels, strict=True):
            classes[row] = _composed(label)
        groups |= {_composed(one): _composed(group) for one, group in its_groups.items()}
        of_part[part] = sorted({classes[row] for row in rows})
    return Layout(classes, groups, of_part, part_of)


def _classes(
    root: Path, folders: list[list[str]], every: list[list[str]], above: int
) -> tuple[list[str], dict[str, str]]:
    """The class of each picture by its folders, of which the first `above` are around all; and the classes' groups."""
    if min(map(len, folders)) <= above:
        beside = ", beside folders with pictures" if max(map(len, folders)) > above else ""
        raise _no_classes(root, f"{'some of ' if beside else ''}its pictures are in no folder{beside}")
    depth = above + 1
    while True:
        inner: dict[tuple[str, ...], set[str]] = {}
        direct: set[tuple[str, ...]] = set()
        for folder in folders:
            here = tuple(folder[:depth])
            inner.setdefault(here, set()).update(folder[depth : depth + 1])
            if len(folder) == depth:
                direct.add(here)
        several = [here for here, below in inner.items() if here not in direct and len(below) > 1]
        if not several:
            break
        if direct:
            raise DataError(
                f"'{root}' can be read in two ways: '{'/'.join(min(direct))}' has pictures, and "
                f"'{'/'.join(min(several))}' only folders with pictures; put the pictures of every class in one folder"
            )
        depth += 1
    empty = sorted(
        {"/".join(folder[:depth]) for folder in every if len(folder) >= depth} - {"/".join(here) for here in inner}
        | {"/".join(folder) for folder in every if above < len(folder) < depth}
        - {"/".join(here[:level]) for here in inner for level in range(above, depth)}
    )
    if empty:
        named = ", ".join(empty[:10]) + (f" and {len(empty) - 10} more" if len(empty) > 10 else "")
        raise _no_classes(root, f"found no picture in {named}")
    last = Counter(here[-1] for here in inner)
    whole = any(times > 1 for times in last.values())
    name = {here: "/".join(here[above:]) if whole else here[-1] for here in inner}
    groups = {name[here]: "/".join(here[above:-1]) or name[here] for here in inner}
    return [name[tuple(folder[:depth])] for folder in folders], groups


def _common(folders: Sequence[Sequence[str]]) -> int:
    """How many folders all are in, leaving at least one to be a class."""
    above = 0
    while len({tuple(folder[: above + 1]) for folder in folders}) == 1 and min(map(len, folders)) > above + 1:
        above += 1
    return above


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _refuse_forms(root: Path, names: Iterable[str]) -> None:
    spelt: dict[str, str] = {}
    for name in names:
        if spelt.setdefault(_composed(name), name) != name:
            raise DataError(
                f"'{root}' has class '{_composed(name)}' twice, in two of Unicode's forms (composed, and with accents "
                "of their own); put their pictures in one folder"
            )


def _refuse_foreign(root: Path, folder: list[str]) -> None:
    for name in folder:
        if (shown := readable(name)) != name:
            raise DataError(
                f"'{root}' has a folder whose name is not UTF-8, '{shown}', and no record could name it; rename it"
            )


def _no_classes(root: Path, why: str) -> DataError:
    return DataError(f"'{root}' does not hold a folder of pictures for each class: {why}")
