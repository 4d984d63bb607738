"""SpanBank and QuestionBank: sentences whose words are the items, in or outside of the spans that are looked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.bank import ItemBank, Kind
from episodes.banks.text import hash_text
from episodes.banks.vocabulary import TextShape
from episodes.errors import DataError, counted


@dataclass(frozen=True)
class Sentence:
    """A text and its words, and which of them are mentions of a type: what a bank is made of.

    Attributes:
        text: as it was read.
        words: where each word begins and ends in `text`.
        mentions: the words from the first number to before the second are one, of that type; none overlap.
        document: texts of one document never are support and query of one task; below 0 for one of its own.
        question: that is asked of the text; none for entities.
        answers: any of which answers it.
    """

    text: str
    words: Sequence[tuple[int, int]]
    mentions: Sequence[tuple[int, int, str]] = ()
    document: int = -1
    question: str = ""
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SpanBank(ItemBank):
    """Sentences with mentions of some types. A row is a sentence; its items are its words, in their order.

    A word's label is 0 outside of mentions and n inside of one of a task's nth type, without telling a mention's first
    word from the others (inside-outside, as in Ding et al. 2021, section 4.3): a task of one mention of a type may
    have no example of a second word. What a mention is exactly, `begins` knows, and predictions are scored by it.

    To a network a sentence is one window or several (see `episodes.banks.windows`), each a row of token ids. Ids are
    stored plus 1; that of the first piece of each word that is a window's own is above 0, all others are below: other
    pieces, special tokens, words of neighbouring windows, questions. So a network gives a feature for each word.

    Attributes:
        name: the dataset and split, for messages and records, e.g. `wnut17/test`.
        sentences: the rows.
        class_names: the types, each with at least one mention.
        held: how many of the last sentences are for queries alone.
        ids: `[tokens]` int32, of all windows; None until a network has said by which vocabulary (see
            `episodes.files.token_cache`).
        id_ends: `[windows]` int64, where each window ends in `ids`.
        window_ends: `[M]` int64, where each sentence's windows end.
        shape: the most tokens of a window, with the vocabulary.

    Raises:
        DataError: no sentence or no type, or a type without mention.
    """

    kind: ClassVar[Kind] = "entities"
    noun: ClassVar[str] = "sentences"

    name: str
    sentences: tuple[Sentence, ...] = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    held: int = 0
    ids: Tensor | None = field(default=None, repr=False)
    id_ends: Tensor | None = field(default=None, repr=False)
    window_ends: Tensor | None = field(default=None, repr=False)
    shape: TextShape | None = field(default=None, repr=False)
    _copies: dict[torch.device, tuple[Tensor, ...]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if not self.sentences or not self.class_names or min(self.class_sizes) < 1:
            lacking = [name for name, size in zip(self.class_names, self.class_sizes, strict=True) if not size]
            what = f"mention of '{lacking[0]}'" if lacking else "mention of any type"
            raise DataError(f"'{self.name}' has no {what} in its {counted(len(self.sentences), self.noun)}")
        if not 0 <= self.held < len(self.sentences):
            raise DataError(f"'{self.name}' holds out {self.held} of its {len(self.sentences)} {self.noun}")

    @property
    def class_sizes(self) -> tuple[int, ...]:  # type: ignore[override]
        """How many mentions of each type there are."""
        return tuple(self.mention_counts.sum(0).tolist())

    @property
    def groups(self) -> tuple[str, ...]:  # type: ignore[override]
        """Each type is a group of its own."""
        return self.class_names

    @property
    def item_shape(self) -> tuple[int, ...]:
        """A `TextShape`; of sentences without token ids `()`."""
        return () if self.shape is None else self.shape

    def __len__(self) -> int:
        """The number of sentences."""
        return len(self.sentences)

    @cached_property
    def mention_counts(self) -> NDArray[np.int64]:
        """How many mentions of each type each sentence has, `[M, types]`."""
        number = {name: place for place, name in enumerate(self.class_names)}
        counts = np.zeros((len(self.sentences), len(self.class_names)), dtype=np.int64)
        for row, sentence in enumerate(self.sentences):
            for _, _, name in sentence.mentions:
                counts[row, number[name]] += 1
        return counts

    @cached_property
    def documents(self) -> NDArray[np.int64]:
        """The document of each sentence, `[M]`."""
        named = np.asarray([sentence.document for sentence in self.sentences], dtype=np.int64)
        return np.where(named < 0, -1 - np.arange(len(self)), named)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """How many words each sentence has, `[M]`."""
        return np.asarray([len(sentence.words) for sentence in self.sentences], dtype=np.int64)

    @cached_property
    def word_starts(self) -> NDArray[np.int64]:
        """The number of each sentence's first word, `[M]`."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def labels(self) -> Tensor:
        """Of every word its type's number plus 1, or 0 outside, `[words]` int64."""
        return torch.from_numpy(self._tags[0])

    @cached_property
    def begins(self) -> NDArray[np.bool_]:
        """Of every word whether a mention begins there, `[words]`."""
        return self._tags[1]

    @cached_property
    def _tags(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        number = {name: place for place, name in enumerate(self.class_names, 1)}
        labels = np.zeros(int(self.lengths.sum()), dtype=np.int64)
        begins = np.zeros(len(labels), dtype=bool)
        for start, sentence in zip(self.word_starts, self.sentences, strict=True):
            for first, last, name in sentence.mentions:
                labels[start + first : start + last] = number[name]
                begins[start + first] = True
        return labels, begins

    def words_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The numbers of the words of the given sentences `[n]`, in their order."""
        lengths = self.lengths[rows]
        return np.repeat(self.word_starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(lengths.sum())

    def items_of(self, rows: Tensor) -> Tensor:
        found = torch.from_numpy(self.words_of(rows.reshape(-1).cpu().numpy())).to(rows.device)
        return found.view(*rows.shape[:-1], -1)

    def text(self, row: int) -> str:
        """A sentence, as it was read."""
        return self.sentences[row].text

    def texts(self) -> Iterator[str]:
        """All sentences, in the order of the rows."""
        return (sentence.text for sentence in self.sentences)

    def gather(self, rows: Tensor) -> Tensor:
        """The token ids of the windows of the given sentences, `[n]` or `[1, n]`: `[windows, L]` or `[1, windows, L]`.

        L is the length of the longest window among them; the others have zeros at their end.

        Raises:
            DataError: the sentences have no token ids.
        """
        ids, ends, window_ends = self._on(rows.device)
        number = _ranges(window_ends, rows.reshape(-1))
        start = torch.where(number > 0, ends[(number - 1).clamp(min=0)], 0)
        end = ends[number]
        longest = int((end - start).max()) if len(number) else 0
        places = start[:, None] + torch.arange(longest, device=rows.device)
        found = ids[places.clamp(max=len(ids) - 1)]
        return found.masked_fill_(places >= end[:, None], 0).view(*rows.shape[:-1], len(number), longest)

    def gather_alike(self, parts: Sequence[Tensor]) -> list[Tensor]:
        gathered = [self.gather(rows) for rows in parts]
        longest = max(each.shape[-1] for each in gathered)
        return [F.pad(each, (0, longest - each.shape[-1])) for each in gathered]

    def by_length(self, rows: Tensor) -> Tensor:
        _, ends, window_ends = self._on(rows.device)
        lengths = torch.diff(ends[window_ends - 1], prepend=ends.new_zeros(1))
        return rows[torch.argsort(lengths[rows], stable=True)]

    def _on(self, device: torch.device) -> tuple[Tensor, ...]:
        """Token ids, their ends and those of windows on a device: moved there once."""
        if self.ids is None or self.id_ends is None or self.window_ends is None:
            raise DataError(f"the sentences of '{self.name}' have no token ids; give them a vocabulary first")
        if device not in self._copies:
            self._copies[device] = tuple(part.to(device) for part in (self.ids, self.id_ends, self.window_ends))
        return self._copies[device]

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over sentences and types; not over the bank's name, nor over token ids."""
        digest = hashlib.blake2b(repr((self.kind, self.class_names, self.held)).encode(), digest_size=16)
        for sentence in self.sentences:
            digest.update(repr(sentence).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def item_digests(self) -> list[int]:
        """One number per sentence, whatever is asked of it."""
        return [hash_text(sentence.text) for sentence in self.sentences]

    def select(self, name: str, classes: Sequence[int]) -> SpanBank:
        """The sentences all of whose mentions are of the given types, and that have any.

        So banks of different types share no sentence, and none has a mention of another's type without saying so.

        Raises:
            DataError: no such sentence has a mention of one of the types.
        """
        other = np.delete(self.mention_counts, classes, axis=1).any(1)
        rows = np.flatnonzero(~other & self.mention_counts.any(1))
        found = self.mention_counts[rows].sum(0)
        if lacking := [self.class_names[number] for number in classes if not found[number]]:
            raise DataError(
                f"'{name}' has no sentence with a mention of '{lacking[0]}' and none of a type of another part; "
                "choose another --split, or give --task all-way, which takes all types"
            )
        return replace(
            self,
            name=name,
            sentences=tuple(self.sentences[row] for row in rows),
            class_names=tuple(self.class_names[number] for number in classes),
        )

    def renamed(self, name: str, prefix: str = "") -> SpanBank:
        if prefix:
            raise DataError(f"the sentences of '{self.name}' do not go with other datasets in training; name one")
        return replace(self, name=name)

    def fitted(self, shape: tuple[int, ...]) -> SpanBank:
        """Itself: sentences of any length go together."""
        return self


@dataclass(frozen=True, eq=False)
class QuestionBank(SpanBank):
    """Questions with the text that has the answer: its only type is `answer`, and what is a word of the text an item.

    A row is a question with its text; the words of the question are read with those of the text and are no items.
    """

    kind: ClassVar[Kind] = "questions"
    noun: ClassVar[str] = "questions"


def _ranges(ends: Tensor, rows: Tensor) -> Tensor:
    """The numbers from `ends[row - 1]` to before `ends[row]` of each row, one after another."""
    first = torch.where(rows > 0, ends[(rows - 1).clamp(min=0)], 0)
    counts = ends[rows] - first
    begin = torch.repeat_interleave(first - counts.cumsum(0) + counts, counts)
    return begin + torch.arange(len(begin), device=rows.device)
