"""txt:FOLDER: your own texts: .txt files, one text each, in a folder per class; or a .zip or .tar of that.

In UTF-8 (or UTF-16 with a byte order mark). A class is called by its folder, and its group is the folder around that.
Where the outermost folders are train and test, with the same classes in both, they say which texts are queries of
--task all-way; without them it is the second half of each class, shuffled by a fixed rule. Where the outermost folders
are train, validation and test with classes of their own, they are the split; else classes are split by --split seed=N,
small-seed=N, or a .json file.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from episodes.banks.text import TextBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import part_called
from episodes.datasets.text.reading import clean_label, decoded
from episodes.datasets.text.table import Table, load_all_table, load_table
from episodes.errors import DataError, counted, readable
from episodes.files.archives import Container, Listing, is_archive, open_container, unreadable
from episodes.files.remembered import user_place

KIND = "text"
TAKES = "FOLDER"  # as users write it: txt:FOLDER

PREFIX, ENDING = "txt:", ".txt"


def load(name: str, options: DataOptions) -> Dataset[TextBank]:
    """All .txt files, the classes split as `episodes.datasets.splitting.split_classes` says.

    What is left out, such as other files, and texts that are there twice, are warned of.

    Raises:
        DataError: a missing folder, files in none, a class without texts, a file that cannot be read, or too few
            classes.
    """
    root = find(name, options)
    return load_table(PREFIX, root, read(root), options)


def load_all(name: str, options: DataOptions) -> tuple[TextBank, TextBank]:
    """All classes for training and for test (see `Table.load_all`).

    Raises:
        DataError: as `load`, a split, or a class with too few texts.
    """
    root = find(name, options)
    return load_all_table(PREFIX, root, read(root), options)


def find(name: str, options: DataOptions) -> Path:
    """The folder or archive itself; raises DataError where it is not there."""
    root = user_place(name, options.data_root, "folder")
    needs = "--dataset txt:FOLDER needs a folder of .txt files per class, or a .zip or .tar of that"
    try:
        if root.is_dir() or (root.is_file() and is_archive(root)):
            return root
        there = os.path.lexists(root)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{root}': {getattr(error, 'strerror', None) or error}; {needs}") from None
    if there:
        raise DataError(f"'{root}' is neither a folder nor an archive; {needs}; csv:FILE and jsonl:FILE read tables")
    here = f", neither here nor in --data-root '{options.data_root}'" if options.data_root else ""
    raise DataError(f"there is no folder '{root}'{here}; {needs}")


def read(root: Path) -> Table:
    """All .txt files of a folder or an archive; errors as of `load`."""
    try:
        container = open_container(root)
        listing = container.listing()
    except DataError:
        raise
    except Exception as error:  # readers of archives raise whatever broken bytes lead to
        raise unreadable(root, error) from None
    paths = _paths(root, listing)
    folders = [PurePosixPath(path).parts[:-1] for path in paths]
    _refuse_bad(root, paths, folders, listing)
    above = _above(folders)
    parts = _parts(root, {folder[above] for folder in folders}, above + 1 < min(map(len, folders)))
    inner = [folder[above + bool(parts) :] for folder in folders]
    names = _names(inner)
    texts = _texts(root, container, listing, paths)
    table = Table(root, "folders")
    for path, folder, below in zip(paths, folders, inner, strict=True):
        values = {"text": texts[path], "label": names[below], "text_b": None}
        table.add(f"'{path}'", values | {"group": "/".join(below[:-1]), "split": parts.get(folder[above])})
    return table


def _paths(root: Path, listing: Listing) -> list[str]:
    """The .txt files, sorted; a warning says what else is there."""
    for path in (path for path in listing.special if path.lower().endswith(ENDING)):
        raise DataError(f"'{root / path}' is a named pipe, a socket or a device, not a text; remove it")
    for path in (path for path in listing.twice if path.lower().endswith(ENDING)):
        raise DataError(f"'{root}' has the member '{path}' twice; pack it anew with one of them")
    paths = sorted(path for path in listing.sizes if path.lower().endswith(ENDING))
    if others := sorted({*listing.sizes, *listing.special} - {*paths}):
        warnings.warn(
            f"'{root}': left out {counted(len(others), 'files')} of another kind than .txt, such as '{others[0]}'",
            stacklevel=5,
        )
    if not paths:
        raise DataError(f"'{root}' has no .txt files; put those of each class in a folder")
    return paths


def _texts(root: Path, container: Container, listing: Listing, paths: list[str]) -> dict[str, str]:
    """The text of each file."""
    read_as = {path: listing.read_as.get(path, path) for path in paths}
    found: dict[str, str] = {}
    for path, content in container.contents(dict.fromkeys(read_as.values())):
        what = f"'{root / path}'"
        if isinstance(content, OSError):
            reason = content.strerror or content
            raise DataError(f"cannot read {what}: {reason}; repair the file, or leave it out")
        found[path] = decoded(content, what)
    return {path: found[real] for path, real in read_as.items()}


def _above(folders: list[tuple[str, ...]]) -> int:
    """How many folders are around all others."""
    above = 0
    while len({folder[: above + 1] for folder in folders}) == 1 and min(map(len, folders)) > above + 1:
        above += 1
    return above


def _parts(root: Path, outermost: set[str], deeper: bool) -> dict[str, str | None]:
    """What the outermost folders say of the split, where they are train and test; else nothing."""
    parts: dict[str, str | None] = {name: part_called(name) for name in outermost}
    if len(set(filter(None, parts.values()))) < 2 or not deeper:
        return {}
    if other := sorted(name for name, part in parts.items() if part is None):
        raise DataError(
            f"'{root}' has folders {', '.join(sorted(parts))}: parts of a split and others ('{other[0]}'); leave train "
            "and test, or put all class folders side by side"
        )
    return parts


def _names(folders: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The class of each folder: its own name, or with the folders around it where several have the same name."""
    each = sorted(set(folders))
    same = Counter(clean_label(folder[-1]) for folder in each)
    whole = any(times > 1 for times in same.values())
    return {folder: "/".join(folder) if whole else folder[-1] for folder in each}


def _refuse_bad(root: Path, paths: list[str], folders: list[tuple[str, ...]], listing: Listing) -> None:
    """Raise DataError for names that no record could hold, texts in no folder, and folders without texts."""
    for path in paths:
        if (shown := readable(path)) != path:
            raise DataError(f"'{root}' has a name that is not UTF-8, '{shown}', and no record could hold it; rename it")
    if loose := [path for path, folder in zip(paths, folders, strict=True) if not folder]:
        raise DataError(
            f"'{root}' has texts that are in no class, such as '{loose[0]}'; put those of a class in a folder"
        )
    filled = {folder[:depth] for folder in folders for depth in range(len(folder) + 1)}
    if empty := sorted(folder for folder in listing.folders if PurePosixPath(folder).parts not in filled):
        raise DataError(
            f"'{root}' has {counted(len(empty), 'folders')} without .txt files, such as '{empty[0]}'; put the texts of "
            "the class there, or remove the folder"
        )
