"""table:FILE: your own pictures, whose classes are listed in a table, or in a .json of CoOp's published splits.

A table is a CSV or tab-separated file with a header, also .gz, in UTF-8 (or UTF-16 with a byte order mark), one row per
picture. Columns, in any case: the picture (`file_name`, `filename`, `file`, `file_path`, `path`, `image_path`, `image`,
`image_id`), its class (`category`, `class_name`, `classname`, `class`, `label`) or a column of 0 and 1 for each class,
and if wanted `group` or `super_category` (what a class belongs to) and `split` (`train`, `validation`, `test`). A .json
is `{"train": [[path, number, class], ...], "val": [...], "test": [...]}` (Zhou et al. 2022). Pictures are below the
table's folder, or in an archive that is alone there. FILE may be the folder of a `split_zhou_*.json`, a `labels.csv`, a
`metadata.csv`, or one other table.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.labelled import Labelled
from episodes.datasets.images.picture_list import PictureList
from episodes.datasets.item_split import halves
from episodes.datasets.rows import part_of, says_tests
from episodes.datasets.splitting import ALL, PART_NAMES, part_called, refuse_split
from episodes.datasets.text.reading import no_column, read_header, read_json, read_rows, refuse_alike
from episodes.datasets.text.sources import own_file
from episodes.errors import DataError, nearest
from episodes.files.pictures import Pictures
from episodes.files.remembered import remember, user_place
from episodes.names import full_name, short_name

TAKES = "FILE"  # as users write it: table:FILE
PREFIX = "table:"
OWN = "table"  # the split that a column says, where train, validation and test share no class

# What columns are called, the first that is there, without regard to case, spaces and hyphens.
FILE = ("file_name", "filename", "file", "file_path", "filepath", "path", "image_path", "image", "image_id")
CLASS = ("category", "class_name", "classname", "class", "label")
GROUP = ("super_category", "group")
SPLIT = ("split",)
NO_GROUP = "NAN"  # what Meta-Album has there

IN_FOLDER = ("split_zhou_*.json", "labels.*", "metadata.*", "*")  # the first of these that a folder has is read
ENDINGS = (".csv", ".tsv", ".json", ".csv.gz", ".tsv.gz", ".json.gz")
MOST_BYTES = 2**30  # of a table
MOST_JSON = 2**28  # characters of a .json, which is read at once

ADVICE = "name the columns in the first line, such as file_name and label, with commas or tabs between them"
SHAPE = '{"train": [[path, number, class], ...], "val": [...], "test": [...]}'


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """All pictures that are listed, the classes split as `episodes.datasets.splitting.split_classes` says.

    Where a column says train, validation and test and these have no class in common, they are the split. How pictures
    are read is with `Labelled`.

    Raises:
        DataError: a missing or unreadable file or column, a row that does not fit, pictures that are not there or
            cannot be read, or too few classes.
    """
    root = find(name, options)
    short = short_name(full_name(f"{PREFIX}{root}"))
    labelled, _ = read(root)
    dataset = labelled.load(short, options, OWN)
    remember(short, root)
    return dataset


def load_all(name: str, options: DataOptions) -> tuple[ImageBank, ImageBank]:
    """All classes for training and for test: as the split says, or else the halves of each class.

    Of a .json the training pictures are those of `train` alone, as they were published; of a table those of
    `validation` too.

    Raises:
        DataError: as `load`, a split, or a class that has pictures only for training or only for test.
    """
    root = find(name, options)
    short = short_name(full_name(f"{PREFIX}{root}"))
    refuse_split(short, options.split)
    labelled, parts = read(root)
    place = labelled.source[0]
    if says_tests(place, parts):
        learn = ("train",) if _is_json(place) else ("train", "validation")
        training = [row for row, part in enumerate(parts) if part in learn]
        test = [row for row, part in enumerate(parts) if part == "test"]
        banks = labelled.load_all(short, options, training, test)
    else:
        banks = halves(labelled.load(short, replace(options, split=ALL), OWN).test.renamed(short))
    remember(short, root)
    return banks


def find(name: str, options: DataOptions) -> Path:
    """The file itself, or the folder that has it; raises DataError where neither is there."""
    place = user_place(name, options.data_root, "file")
    folder = False
    with suppress(OSError, ValueError):  # which `own_file` says
        folder = place.is_dir()
    if folder:
        table_in(place)
        return place
    return own_file(PREFIX, name, options, "a table of pictures with their classes")


def read(root: Path) -> tuple[Labelled, list[str | None]]:
    """The pictures of a table, or of the one in a folder, and the part of a split of each; errors as of `load`."""
    path = table_in(root) if root.is_dir() else root
    found = read_list(path)
    return found.found(Pictures(path.parent))


def read_list(path: Path) -> PictureList:
    """What a table or a .json lists; errors as of `load`."""
    if path.stat().st_size > MOST_BYTES:
        raise DataError(
            f"'{path}' has {path.stat().st_size:,} bytes, and no list of pictures is so large; name another"
        )
    return _read_json(path) if _is_json(path) else _read_table(path)


def table_in(folder: Path) -> Path:
    """The table of pictures in a folder; raises DataError where there is none, or which one is not clear."""
    try:
        tables = sorted(path for path in folder.iterdir() if path.name.lower().endswith(ENDINGS) and path.is_file())
    except OSError as error:
        raise DataError(f"cannot read the folder '{folder}': {error.strerror}; name the file in it") from None
    for pattern in IN_FOLDER:
        kind = [path for path in tables if path.match(pattern) and _is_json(path) == _is_json(Path(pattern))]
        if len(kind) > 1:
            names = ", ".join(f"'{path.name}'" for path in kind[:5])
            raise DataError(f"'{folder}' has {len(kind)} tables, {names}; name one, as --dataset {PREFIX}FOLDER/FILE")
        if kind:
            return kind[0]
    raise DataError(
        f"the folder '{folder}' has no table of pictures with their classes, such as labels.csv; name the file, or "
        "give --dataset folder:PATH for a folder of pictures per class"
    )


class Columns(NamedTuple):
    """What the columns of a table that are read are called in it; those of classes where each has one of 0 and 1."""

    file: str
    label: str | None
    group: str | None
    split: str | None
    classes: list[str]


def _read_table(path: Path) -> PictureList:
    header, tabs = read_header(path)
    columns = _columns(path, header)
    needed = [columns.file, *([columns.label] if columns.label else columns.classes)]
    possible = [name for name in (columns.group, columns.split) if name]
    found = PictureList(path)
    for row in read_rows(path, needed, possible, tabs=tabs, advice=ADVICE):
        values = dict(zip([*needed, *possible], row.fields, strict=True))
        where = f"line {row.line:,}"
        if columns.label:
            label = values[columns.label]
        else:
            label = _marked(path, where, header, {name: values[name] or "" for name in columns.classes})
        group = values[columns.group] if columns.group else None
        group = None if group is not None and group.strip().upper() == NO_GROUP else group
        part = part_of(path, where, values[columns.split] if columns.split else None)
        found.add(where, values[columns.file], label, group, part)
    return found


def _columns(path: Path, header: list[str]) -> Columns:
    """Which columns are read; raises DataError where there is none of files, none of classes, or two of one name."""
    plain = {name: name.lower().replace(" ", "_").replace("-", "_") for name in header if name}

    def named(names: tuple[str, ...]) -> str | None:
        found = [column for each in names for column, called in plain.items() if called == each]
        if len(found) > 1 and plain[found[0]] == plain[found[1]]:
            raise DataError(f"'{path}' has both a column '{found[0]}' and a column '{found[1]}'; leave one of them")
        return found[0] if found else None

    file, label, group, split = map(named, (FILE, CLASS, GROUP, SPLIT))
    if file is None:
        raise no_column(path, "column of the pictures' files", FILE, header, ADVICE)
    if label:
        refuse_alike(f"'{path}' has column", SPLIT, plain.values())
    others = [name for name in plain if name not in (file, group, split)]
    if label is None and len(others) < 2:
        raise _no_classes(path, header)
    return Columns(file, label, group, split, [] if label else others)


def _marked(path: Path, where: str, header: list[str], marks: dict[str, str]) -> str:
    """The one class whose column has 1."""
    numbers = {"0": False, "0.0": False, "1": True, "1.0": True}
    if any(mark.strip() not in numbers for mark in marks.values()):
        raise _no_classes(path, header)
    labels = [name for name, mark in marks.items() if numbers[mark.strip()]]
    if len(labels) != 1:
        which = ", ".join(labels[:5]) or "none"
        raise DataError(
            f"'{path}', {where}: a picture is of one class, and {len(labels)} of the columns have a 1 ({which}); "
            "remove the row, or give a column label"
        )
    return labels[0]


def _no_classes(path: Path, header: list[str]) -> DataError:
    what = "column of classes, nor columns of 0 and 1 for each class"
    return no_column(path, what, CLASS, header, ADVICE)


def _read_json(path: Path) -> PictureList:
    """The pictures of a published split of CoOp's."""
    must = f"'{path}' must be {SHAPE}"
    content = read_json(path, f"give {SHAPE}", MOST_JSON)
    if not isinstance(content, dict):
        raise DataError(f"{must}; found {type(content).__name__}")
    found = PictureList(path)
    names: dict[int, str] = {}
    labels: dict[str, int] = {}
    for key, items in content.items():
        part = part_called(key)
        if part is None:
            raise DataError(f"{must}; found '{key[:40]}'{nearest(key, PART_NAMES) or ''}")
        if not isinstance(items, list):
            raise DataError(f"{must}; '{key}' is {str(items)[:80]}")
        for number, item in enumerate(items, 1):
            where = f"entry {number:,} of '{key}'"
            if not isinstance(item, list) or [type(each) for each in item] != [str, int, str]:
                raise DataError(f"{must}; {where} is {str(item)[:80]}")
            picture, label, class_name = item
            if names.setdefault(label, class_name) != class_name or labels.setdefault(class_name, label) != label:
                same = names[label] == class_name
                other = f"so is class {labels[class_name]}" if same else f"'{names[label]}' before"
                raise DataError(
                    f"'{path}', {where}: class {label} is called '{class_name}', and {other}; give each class one name "
                    "of its own"
                )
            found.add(where, picture, class_name, None, part)
    return found


def _is_json(path: Path) -> bool:
    return path.name.lower().endswith((".json", ".json.gz"))
