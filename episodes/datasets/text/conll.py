"""conll:FILE: your own sentences with named entities: a file of CoNLL columns, also .gz.

One word per line, its label in the last column, an empty line after each sentence; columns are separated by tabs, or by
white space where a line has no tab. Labels are O and B-TYPE, I-TYPE (also E-, L-, S- and U- of the longer schemes), or
O and TYPE alone, as in Few-NERD, where adjoining words of one type are one mention. An I-TYPE that follows no word of
its type begins a mention. Types are split by --split seed=N, small-seed=N or a .json file; `--task all-way` has the
first four fifths of the sentences for the support and the rest as queries.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from episodes.banks.spans import Sentence, SpanBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.rows import warn_of_case
from episodes.datasets.splitting import split_classes
from episodes.datasets.text.reading import clean, lines, opened
from episodes.datasets.text.sources import own_file
from episodes.datasets.text.spans import ALL_CLASSES, held_out
from episodes.errors import DataError, counted
from episodes.files.remembered import remember
from episodes.names import short_name

KIND = "entities"
TAKES = "FILE"  # as users write it: conll:FILE

PREFIX = "conll:"
QUERIES = 5  # one in so many sentences is a query of --task all-way
SCHEME = re.compile(r"([BIELSU])-(.+)")
OTHER_FORM = re.compile(r"[Bb](?:[-_].+)?")  # of a label that begins a mention, as B, b-TYPE and B_TYPE
BEGINS = "BSU"


def load(name: str, options: DataOptions) -> Dataset[SpanBank]:
    """The sentences with mentions, by the types that these are of (see `SpanBank.select`).

    Raises:
        DataError: a missing or unreadable file, a label that is none, or fewer than 6 types.
    """
    path = find(name, options)
    bank = once_each(SpanBank(short_name(f"{PREFIX}{path}"), *read_conll(path)))
    if bank.classes < 6:
        raise DataError(
            f"'{bank.name}' has {counted(bank.classes, 'types')} ({', '.join(bank.class_names)}), too few to train on "
            "some and test on others; give --task all-way, which takes all of them"
        )
    _refuse_mentions_alone(path, bank.sentences)
    remember(bank.name, path)
    return split_classes(bank, options.split)


def load_spans(name: str, options: DataOptions) -> Dataset[SpanBank]:
    """All types, the last fifth of the sentences held out as queries.

    Raises:
        DataError: as `load`, but for the number of types.
    """
    path = find(name, options)
    short = short_name(f"{PREFIX}{path}")
    sentences, types = read_conll(path)
    _refuse_mentions_alone(path, sentences)
    count = len(sentences) // QUERIES
    if not count:
        raise DataError(f"'{path}' has too few sentences ({len(sentences)}); --task all-way needs at least {QUERIES}")
    remember(short, path)
    return held_out(short, ALL_CLASSES, sentences[:-count], sentences[-count:], types)


def find(name: str, options: DataOptions) -> Path:
    """The file itself; raises DataError where it is not there."""
    return own_file(PREFIX, name, options, "a file of words with their labels")


def once_each(bank: SpanBank) -> SpanBank:
    """Without sentences that repeat another's words, whatever their case, so that none is support and query."""
    first: dict[str, Sentence] = {}
    for sentence in bank.sentences:
        first.setdefault(sentence.text.casefold(), sentence)
    return SpanBank(bank.name, tuple(first.values()), bank.class_names)


def read_conll(path: Path) -> tuple[tuple[Sentence, ...], tuple[str, ...]]:
    """The sentences of a file, and the types of their mentions, sorted.

    Raises:
        DataError: it cannot be read, a line has no label or one of another scheme than the first, or labels are of no
            scheme that is known.
    """
    found = _Reader(path)
    with opened(path) as file:
        found.read(lines(file, path))
    if not found.sentences:
        raise DataError(f"'{path}' has no words; it needs one per line, with its label after a tab")
    sentences = tuple(found.made(*each) for each in found.sentences)
    types = sorted({name for each in sentences for _, _, name in each.mentions})
    _refuse_other_form(path, types)
    warn_of_case(path, "types", types)
    if found.orphans and found.begun:
        warnings.warn(
            f"'{path}' has {counted(len(found.orphans), 'labels')} I-TYPE after a word of another type or none, "
            f"'{found.orphans[0][1]}' of line {found.orphans[0][0]:,} first; each begins a mention",
            stacklevel=2,
        )
    return sentences, tuple(types)


def _refuse_mentions_alone(path: Path, sentences: Sequence[Sentence]) -> None:
    if all(sum(end - start for start, end, _ in each.mentions) == len(each.words) for each in sentences):
        raise DataError(
            f"'{path}' has no word outside of mentions, with the label O; give each word in the first column and its "
            "label in the last"
        )


def _refuse_other_form(path: Path, types: Sequence[str]) -> None:
    for name in types:
        inside = ("I" if name[0] == "B" else "i") + name[1:]
        if OTHER_FORM.fullmatch(name) and inside in types:
            raise DataError(
                f"'{path}' has labels '{name}' and '{inside}', which are not of the form B-TYPE and I-TYPE; write them "
                "so, as 'B-location' and 'I-location'"
            )


@dataclass
class _Reader:
    """Attributes:
    path: of the file, for messages.
    sentences: the words and the labels of each, with the numbers of their lines.
    first: the line and the label of the first word that is not outside; None before it.
    plain: whether labels are types without a scheme, as the first one is.
    orphans: the line and the label of each I-TYPE that follows no word of its type.
    begun: whether any mention after another type's word, or none, begins with B-: else I- does so by the scheme.
    """

    path: Path
    sentences: list[tuple[list[str], list[tuple[int, str]]]] = field(default_factory=list)
    first: tuple[int, str] | None = None
    plain: bool = False
    orphans: list[tuple[int, str]] = field(default_factory=list)
    begun: bool = False

    def read(self, found: Iterator[str]) -> None:
        words: list[str] = []
        labels: list[tuple[int, str]] = []
        for number, line in enumerate(found, 1):
            columns = self._columns(number, clean(line))
            if columns is None and words:
                self.sentences.append((words, labels))
                words, labels = [], []
            elif columns:
                words.append(columns[0])
                labels.append((number, columns[1]))
        if words:
            self.sentences.append((words, labels))

    def _columns(self, number: int, line: str) -> tuple[str, str] | None:
        """The word and the label of a line; None of one that ends a sentence."""
        columns = [each.strip() for each in line.split("\t")] if "\t" in line.strip() else line.split()
        if not any(columns) or columns[0] == "-DOCSTART-":
            return None
        if len(columns) < 2 or not columns[0] or not columns[-1]:
            raise DataError(
                f"'{self.path}', line {number:,}: found {line.strip()[:60]!r}, and a line needs a word and its label, "
                "as 'London' and 'B-location' with a tab between them"
            )
        return columns[0], columns[-1]

    def made(self, words: Sequence[str], labels: Sequence[tuple[int, str]]) -> Sentence:
        """A sentence with its mentions."""
        mentions: list[tuple[int, int, str]] = []
        before = ""  # the type of the word before
        for place, (number, label) in enumerate(labels):
            begins, name = self._label(number, label, before)
            if name and not begins:
                mentions[-1] = (mentions[-1][0], place + 1, name)
            elif name:
                mentions.append((place, place + 1, name))
            before = name
        edges, first = [], 0
        for word in words:
            edges.append((first, first + len(word)))
            first += len(word) + 1
        return Sentence(" ".join(words), tuple(edges), tuple(mentions))

    def _label(self, number: int, label: str, before: str) -> tuple[bool, str]:
        """Whether a mention begins with a word of this label, and its type, empty outside."""
        if label in ("O", "o"):
            return False, ""
        scheme = SCHEME.fullmatch(label)
        if self.first is None:
            self.first, self.plain = (number, label), scheme is None
        if self.plain and not scheme:
            return label != before, label
        if self.plain or not scheme:
            raise DataError(
                f"'{self.path}', line {number:,}: label '{label[:60]}' is of another scheme than "
                f"'{self.first[1][:60]}' of line {self.first[0]:,}; give all lines B-TYPE, I-TYPE and O, or all types "
                "alone and O"
            )
        begins, name = scheme[1] in BEGINS, scheme[2]
        if name != before:
            self.begun = self.begun or begins
            self.orphans += [] if begins else [(number, label)]
        return begins or name != before, name
