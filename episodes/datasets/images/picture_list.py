"""Pictures whose classes are listed: the rows, checked one by one, and the picture files that they mean."""

from __future__ import annotations

import re
import unicodedata
import warnings
from pathlib import Path
from typing import NamedTuple

from episodes.datasets.images.labelled import Labelled
from episodes.datasets.images.layout import Layout
from episodes.datasets.rows import add_group, label_of
from episodes.datasets.splitting import parts_of_classes
from episodes.datasets.text.reading import clean
from episodes.errors import DataError
from episodes.files.pictures import Pictures

OWN_FOLDER = "images"  # beside a table, where its pictures are first looked for after the table's own folder
MOST_ROWS = 2**24  # of a table, more than memory has pictures


class Row(NamedTuple):
    """One listed picture: what to call the row in a message, the path as it is written, class, and part of a split."""

    where: str
    path: str
    label: str
    part: str | None


class PictureList:
    """Pictures with their classes, as a file lists them.

    Attributes:
        place: the file, for messages.
        rows: the listed pictures, in the file's order.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.rows: list[Row] = []
        self._groups: dict[str, str] = {}

    def add(self, where: str, path: str | None, label: str | None, group: str | None, part: str | None) -> None:
        """Add one picture.

        Args:
            where: what to call the row in a message, e.g. `line 7`.
            path: of the picture, with slashes or backslashes; also without its ending.
            label: its class.
            group: of the class, if any.
            part: of a split: `train`, `validation` or `test`, if any.

        Raises:
            DataError: no path or one that leaves the folder, no label, a label in two groups, or too many rows.
        """
        path = self._path(where, path or "")
        label = label_of(self.place, where, label)
        add_group(self._groups, self.place, where, label, group)
        if len(self.rows) == MOST_ROWS:
            raise DataError(f"'{self.place}' has more than {MOST_ROWS:,} rows, and no list of pictures has so many")
        self.rows.append(Row(where, path, label, part))

    def found(self, pictures: Pictures) -> tuple[Labelled, list[str | None]]:
        """The picture files that are meant, sorted by path, and the part of each.

        A path is looked for in the folder (or archive), then in `images` there, then in all its folders. If
        its parts have no class in common, they are the split of the classes.

        Raises:
            DataError: nothing is listed; pictures are not there or may be one of several; or one is listed in two
                classes or in two parts.
        """
        if not self.rows:
            raise DataError(f"'{self.place}' lists no pictures; give it rows with a picture and its class")
        rows = self._by_path(pictures)
        paths = sorted(rows)
        listed = [rows[path] for path in paths]
        classes = [row.label for row in listed]
        groups = {label: self._groups[label] for label in {*classes}}
        layout = Layout(classes, groups, parts_of_classes(classes, [row.part for row in listed]))
        return Labelled(pictures, paths, layout, [self.place]), [row.part for row in listed]

    def _by_path(self, pictures: Pictures) -> dict[str, Row]:
        """The row of each picture file that is listed."""
        finder = Finder(pictures.paths)
        rows: dict[str, Row] = {}
        missing: list[Row] = []
        again = 0
        for row in self.rows:
            places = finder.places(row.path)
            if not places:
                missing.append(row)
                continue
            if len(places) > 1:
                raise DataError(
                    f"'{self.place}', {row.where}: '{row.path}' may be '{places[0]}' or '{places[1]}' of "
                    f"'{pictures.root}'; write the whole path there"
                )
            first = rows.setdefault(places[0], row)
            if first is not row:
                self._refuse_other(first, row)
                again += 1
        if missing:
            raise DataError(
                f"'{self.place}' lists {len(missing):,} of {len(self.rows):,} pictures that are nowhere in "
                f"'{pictures.root}', or are of a format that is not read: '{missing[0].path[:200]}' first "
                f"({missing[0].where}); put them there, or remove their rows"
            )
        if again:
            warnings.warn(f"'{self.place}' lists {again:,} pictures again; each is read once", stacklevel=4)
        return rows

    def _refuse_other(self, first: Row, row: Row) -> None:
        """Raise DataError if a picture's second row says something else than its first."""
        for what, one, other in (("class", first.label, row.label), ("part", first.part, row.part)):
            if one != other:
                raise DataError(
                    f"'{self.place}', {row.where}: the picture '{row.path}' is in {what} '{other}', and in {what} "
                    f"'{one}' before ({first.where}); leave it in one"
                )

    def _path(self, where: str, written: str) -> str:
        path = clean(written).strip().replace("\\", "/")
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts:
            raise DataError(f"'{self.place}', {where}: no picture; give its path, or remove the row")
        if path.startswith(("/", "~")) or ".." in parts or re.match(r"[A-Za-z]:/", path):
            raise DataError(
                f"'{self.place}', {where}: the path '{path[:200]}' does not begin below the table's folder, or has "
                "'..'; write where the picture lies below that folder, e.g. roses/1.jpg"
            )
        return "/".join(parts)


class Finder:
    """Where listed paths are among those of picture files; both may be in any of Unicode's forms."""

    def __init__(self, paths: list[str]) -> None:
        self._named: dict[str, list[tuple[str, str]]] = {}  # composed path and path, by their last name
        for path in paths:
            composed = unicodedata.normalize("NFC", path)
            name = composed.rpartition("/")[2]
            for each in (name, name.rpartition(".")[0]):
                self._named.setdefault(each, []).append((composed, path))

    def places(self, listed: str) -> list[str]:
        """The files that a path may mean: one where it is clear, none where it is nowhere."""
        wanted = unicodedata.normalize("NFC", listed)
        named = self._named.get(wanted.rpartition("/")[2], [])
        whole = [(composed, path) for composed, path in named if f"/{composed}".endswith(f"/{wanted}")]
        stems = [(composed.rpartition(".")[0], path) for composed, path in named]
        found = whole or [(stem, path) for stem, path in stems if f"/{stem}".endswith(f"/{wanted}")]
        for near in (wanted, f"{OWN_FOLDER}/{wanted}"):
            if here := [path for composed, path in found if composed == near]:
                return here
        return [path for _, path in found]
