"""TextBank: every text of one split, sorted by class, and their token ids for the network that reads them."""

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
from episodes.banks.vocabulary import PARTS, TextShape
from episodes.errors import DataError


@dataclass(frozen=True, eq=False)
class TextBank(ItemBank):
    """All texts of a split as UTF-8, the texts of a class one after another.

    A text may be a pair, such as premise and hypothesis: its two parts have `episodes.banks.vocabulary.PARTS` between
    them.

    Attributes:
        name: the dataset and split, for messages and records, e.g. `banking77/test`.
        content: `[bytes]` uint8, the texts without anything between them.
        ends: `[M]` int64, where each text ends in `content`.
        class_names: one name per class, unique, in the order of the texts.
        class_sizes: the number of texts of each class, each at least 1; they add up to M.
        groups: one name per class for what it belongs to (a domain); may repeat.
        held_out: of each class, how many of its last texts are for queries alone; empty where any text may be either.
        ids: `[tokens]` int32, the token ids of all texts, one text after another, each id plus 1; None until a network
            has said by which vocabulary (see `episodes.files.token_cache`).
        id_ends: `[M]` int64, where each text ends in `ids`.
        shape: the most tokens of a text, with the vocabulary.

    Raises:
        DataError: if the parts do not fit together.
    """

    kind: ClassVar[Kind] = "text"
    noun: ClassVar[str] = "texts"

    name: str
    content: Tensor = field(repr=False)
    ends: Tensor = field(repr=False)
    class_names: tuple[str, ...] = field(repr=False)
    class_sizes: tuple[int, ...] = field(repr=False)
    groups: tuple[str, ...] = field(repr=False)
    held_out: tuple[int, ...] = field(default=(), repr=False)
    ids: Tensor | None = field(default=None, repr=False)
    id_ends: Tensor | None = field(default=None, repr=False)
    shape: TextShape | None = field(default=None, repr=False)
    _copies: dict[torch.device, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        if int(self.ends[-1] if len(self.ends) else 0) != len(self.content):
            raise DataError(f"bank '{self.name}': its texts end at {self.ends[-1:]} of {len(self.content)} bytes")
        self.check_classes(len(self.ends))

    @classmethod
    def from_labels(
        cls, name: str, texts: Sequence[str], labels: Sequence[int], class_names: Sequence[str], groups: Sequence[str]
    ) -> TextBank:
        """Sort `texts` `[M]` with `labels` `[M]` (indices into `class_names`) into a bank.

        Classes without a text are left out. Surrogates without a partner, which UTF-8 cannot have, become `?`.
        """
        label_array = np.asarray(labels, dtype=np.int64)
        sizes = np.bincount(label_array, minlength=len(class_names))
        order = np.argsort(label_array, kind="stable")
        present = [int(index) for index in np.flatnonzero(sizes)]
        encoded = [texts[row].encode("utf-8", "replace") for row in order]
        return cls(
            name,
            torch.frombuffer(bytearray(b"".join(encoded)), dtype=torch.uint8)
            if any(encoded)
            else torch.empty(0).byte(),
            torch.from_numpy(np.cumsum([len(each) for each in encoded], dtype=np.int64)),
            tuple(class_names[i] for i in present),
            tuple(int(sizes[i]) for i in present),
            tuple(groups[i] for i in present),
        )

    @property
    def item_shape(self) -> tuple[int, ...]:
        """A `TextShape`; of texts without token ids `()`."""
        return () if self.shape is None else self.shape

    def text(self, row: int) -> str:
        """One text, as it was read."""
        start = int(self.ends[row - 1]) if row else 0
        return self.content[start : int(self.ends[row])].numpy().tobytes().decode("utf-8")

    def texts(self) -> Iterator[str]:
        """All texts, in the order of the rows."""
        content, start = self.content.numpy(), 0
        for end in self.ends.tolist():
            yield content[start:end].tobytes().decode("utf-8")
            start = end

    def gather(self, rows: Tensor) -> Tensor:
        """The token ids of the given rows `[...]` int64, each plus 1, `[..., L]` int32, on the rows' device.

        L is the length of the longest among them; the others have zeros at their end.

        Raises:
            DataError: the texts have no token ids.
        """
        ids, ends = self._on(rows.device)
        flat = rows.reshape(-1)
        end = ends.index_select(0, flat)
        start = torch.where(flat > 0, ends.index_select(0, (flat - 1).clamp(min=0)), 0)
        longest = int((end - start).max()) if len(flat) else 0
        places = start[:, None] + torch.arange(longest, device=rows.device)
        found = ids[places.clamp(max=len(ids) - 1)]
        return found.masked_fill_(places >= end[:, None], 0).view(*rows.shape, longest)

    def gather_alike(self, parts: Sequence[Tensor]) -> list[Tensor]:
        gathered = [self.gather(rows) for rows in parts]
        longest = max(each.shape[-1] for each in gathered)
        return [F.pad(each, (0, longest - each.shape[-1])) for each in gathered]

    def by_length(self, rows: Tensor) -> Tensor:
        _, ends = self._on(rows.device)
        lengths = torch.diff(ends, prepend=ends.new_zeros(1))
        return rows[torch.argsort(lengths[rows], stable=True)]

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Token ids and their ends on a device: moved there once, so that the samplers of a bank share the copy."""
        if self.ids is None or self.id_ends is None:
            raise DataError(f"the texts of '{self.name}' have no token ids; give them a vocabulary first")
        if device not in self._copies:
            self._copies[device] = (self.ids.to(device), self.id_ends.to(device))
        return self._copies[device]

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over texts, class names and groups; not over the bank's name, nor over token ids."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr((self.class_names, self.class_sizes, self.groups, *self.held_out)).encode())
        digest.update(self.ends.contiguous().numpy().data)
        digest.update(self.content.contiguous().numpy().data)
        return digest.hexdigest()

    def item_digests(self) -> list[int]:
        return [hash_text(text) for text in self.texts()]

    def select(self, name: str, classes: Sequence[int]) -> TextBank:
        return TextBank(
            name,
            *self._cut(self.rows_of(classes)),
            tuple(self.class_names[c] for c in classes),
            tuple(self.class_sizes[c] for c in classes),
            tuple(self.groups[c] for c in classes),
            held_out=self.held_out_of(classes),
        )

    def at(self, name: str, rows: NDArray[np.int64]) -> TextBank:
        return TextBank(name, *self._cut(rows), self.class_names, self.sizes_at(rows), self.groups)

    def _cut(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """The bytes of the given rows, and where each ends."""
        edges = np.concatenate([[0], self.ends.numpy()])
        runs = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)  # of rows that follow each other
        pieces = [self.content[edges[run[0]] : edges[run[-1] + 1]] for run in runs if len(run)]
        sizes = np.diff(edges)[rows]
        return torch.cat(pieces) if pieces else self.content[:0], torch.from_numpy(np.cumsum(sizes))

    def renamed(self, name: str, prefix: str = "") -> TextBank:
        names, groups = (tuple(f"{prefix}{each}" for each in names) for names in (self.class_names, self.groups))
        return replace(self, name=name, class_names=names, groups=groups)

    def fitted(self, shape: tuple[int, ...]) -> TextBank:
        """Itself: texts of any length go together."""
        return self

    @classmethod
    def joined(cls, name: str, banks: Sequence[TextBank]) -> TextBank:
        starts = np.cumsum([0, *(len(bank.content) for bank in banks)])
        return cls(
            name,
            torch.cat([bank.content for bank in banks]),
            torch.cat([bank.ends + int(start) for bank, start in zip(banks, starts, strict=False)]),
            tuple(class_name for bank in banks for class_name in bank.class_names),
            tuple(size for bank in banks for size in bank.class_sizes),
            tuple(group for bank in banks for group in bank.groups),
            held_out=tuple(held for bank in banks for held in bank.held_out),
        )


def hash_text(text: str) -> int:
    """63 bits that tell texts apart, whatever their case and white space: of a text and of a copy of it alike."""
    plain = " ".join(text.replace(PARTS, " ").casefold().split())
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest()) >> 1
