"""The rows of a user's own texts, checked one by one, as banks."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from episodes.banks.text import TextBank
from episodes.banks.vocabulary import PARTS
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.item_split import halves
from episodes.datasets.rows import add_group, label_of, part_of, refuse_alone, says_tests, warn_of_case
from episodes.datasets.splitting import by_names, own_parts, parts_of_classes, refuse_split, split_classes
from episodes.datasets.text.reading import clean
from episodes.datasets.text.sources import own_file
from episodes.errors import DataError, counted
from episodes.files.remembered import remember
from episodes.names import full_name, short_name

NEEDED, POSSIBLE = ("text", "label"), ("group", "text_b", "split")
COLUMNS = (
    "`text` and `label` are needed; `group`, `text_b` (a second text, which makes a pair) and `split` may be there"
)


class Table:
    """Texts with their labels, in the order in which they were read.

    Attributes:
        place: what they are read from, for messages.
        own: what records call its own split of the classes.
    """

    def __init__(self, place: Path, own: str = "table") -> None:
        self.place, self.own = place, own
        self._texts: list[str] = []
        self._labels: list[str] = []
        self._parts: list[str | None] = []  # of each text; None where nothing says so
        self._groups: dict[str, str] = {}
        self._empty: Counter[str] = Counter()  # how many texts of each class were left out
        self._first_single: object = None  # where the first text that is no pair is, and the first that is one
        self._first_pair: object = None

    def add(self, where: object, values: Mapping[str, str | None]) -> None:
        """Add one text; one that is empty or white space, or a pair that has such a part, is counted and left out.

        Args:
            where: what to call the row in a message, e.g. `line 7`.
            values: by column; None where there is no such column.

        Raises:
            DataError: no label, a label in two groups, a split that is none, or a pair among single texts.
        """
        label = label_of(self.place, where, values["label"])
        texts = [clean(values["text"] or "").strip()]
        if values["text_b"] is not None:
            texts.append(clean(values["text_b"]).strip())
        self._refuse_mixed(where, pair=len(texts) > 1)
        if not all(texts):
            self._empty[label] += 1
            return
        add_group(self._groups, self.place, where, label, values["group"])
        self._texts.append(PARTS.join(texts))
        self._labels.append(label)
        self._parts.append(part_of(self.place, where, values["split"]))

    def _refuse_mixed(self, where: object, pair: bool) -> None:
        """Raise DataError for a pair of texts where others are single, or the other way round."""
        if pair:
            self._first_pair = self._first_pair or where
        else:
            self._first_single = self._first_single or where
        if self._first_pair and self._first_single:
            raise DataError(
                f"'{self.place}', {self._first_pair} has a text_b, and {self._first_single} has none; give one to "
                "every text or to none"
            )

    def load(self, short: str, split: str | None) -> Dataset[TextBank]:
        """Its classes as train, validation and test: as asked, by its own parts, or as `splitting.split_classes` says.

        Raises:
            DataError: no texts, parts that make no split, or as `split_classes`.
        """
        self._warn()
        parts = own_parts(self.place, split, parts_of_classes(self._labels, self._parts))
        if parts:
            return by_names(self._bank(short, None), short, self.own, parts)
        return split_classes(self._bank(short, None), split, "give more, or --task all-way, which takes all of them")

    def rows(self) -> tuple[list[str], list[str]]:
        """Its texts and their labels, in the order in which they were read; warnings say how many empty ones are not
        among them, and which labels differ in case alone."""
        self._warn_of_rows()
        return self._texts, self._labels

    def load_all(self, short: str) -> tuple[TextBank, TextBank]:
        """Its texts for training and for test, as the rows say, or else the halves of each class.

        Raises:
            DataError: no texts, some rows say it and others do not, or a class without texts for one of the two.
        """
        self._warn()
        if not says_tests(self.place, self._parts):
            return halves(self._bank(short, None))
        training, test_bank = self._bank(f"{short}/train", False), self._bank(f"{short}/test", True)
        refuse_alone(self.place, training.noun, training.class_names, test_bank.class_names)
        return training, test_bank

    def _bank(self, called: str, test: bool | None) -> TextBank:
        """All texts, or those for training or for test."""
        rows = [row for row, part in enumerate(self._parts) if test is None or (part == "test") is test]
        if not rows:
            raise DataError(f"'{self.place}' has no texts; give it rows with a text and a label")
        names = sorted({self._labels[row] for row in rows})
        numbers = {name: number for number, name in enumerate(names)}
        return TextBank.from_labels(
            called,
            [self._texts[row] for row in rows],
            [numbers[self._labels[row]] for row in rows],
            names,
            [self._groups[name] for name in names],
        )

    def _warn(self) -> None:
        """Of texts that are left out, of labels in upper and lower case, and of texts that are there twice."""
        self._warn_of_rows(1)
        first: dict[int, str] = {}  # the label of each text, known by its hash
        same = other = 0
        for text, label in zip(self._texts, self._labels, strict=True):
            known = first.setdefault(hash(" ".join(text.casefold().split())), label)
            other += known != label
            same += known == label
        same -= len(first)  # each is its own first
        for count, where in ((same, "the same class"), (other, "different classes")):
            if count:
                warnings.warn(
                    f"'{self.place}' has {counted(count, 'texts')} with the content of others in {where} but for "
                    "case and white space; scores are too high or too low by them: remove copies",
                    stacklevel=4,
                )

    def _warn_of_rows(self, further: int = 0) -> None:
        if self._empty:
            lost = sorted(self._empty.keys() - self._groups.keys())
            classes = f", and with them {counted(len(lost), 'classes')}, such as '{lost[0]}'" if lost else ""
            texts = counted(self._empty.total(), "empty texts")
            warnings.warn(
                f"'{self.place}': left out {texts} (a pair is empty if a part of it is){classes}",
                stacklevel=4 + further,
            )
        warn_of_case(self.place, "labels", self._groups, 2 + further)


def load_table(prefix: str, root: Path, table: Table, options: DataOptions) -> Dataset[TextBank]:
    """The dataset of a user's place, by its short name, and the place is remembered."""
    short = short_name(full_name(f"{prefix}{root}"))
    dataset = table.load(short, options.split)
    remember(short, root)
    return dataset


def load_all_table(prefix: str, root: Path, table: Table, options: DataOptions) -> tuple[TextBank, TextBank]:
    """The same with all classes in both banks."""
    short = short_name(full_name(f"{prefix}{root}"))
    refuse_split(short, options.split)
    banks = table.load_all(short)
    remember(short, root)
    return banks


def find_file(prefix: str, name: str, options: DataOptions) -> Path:
    """A user's table; arguments and errors as of `own_file`."""
    of_folder = "and --dataset txt:FOLDER a folder of .txt files per class"
    return own_file(prefix, name, options, "a table of texts with their labels", of_folder)
