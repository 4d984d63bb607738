"""SpanSampler: episodes of sentences, whose items are words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from episodes.banks.spans import SpanBank
from episodes.episode import EpisodeIndices, LabelledEpisodeBatch
from episodes.sampling.source import BankSource
from episodes.tasks.spans import labels_of, with_words
from episodes.uniforms import Uniforms, generator_key, random_orders, uniform_numbers


@dataclass(frozen=True, eq=False)
class Truth:
    """What is right for the queries of one episode, beyond the labels of their words.

    Attributes:
        bank: of the queries.
        rows: `[Q]`, theirs in the bank.
        lengths: `[Q]`, how many words each has.
        labels: `[words]`, of all of them in turn.
        begins: `[words]`, whether a mention of one of the episode's types begins there.
    """

    bank: SpanBank
    rows: NDArray[np.int64]
    lengths: NDArray[np.int64]
    labels: NDArray[np.int64]
    begins: NDArray[np.bool_]


class SpanSampler(BankSource):
    """Draws sentences at random; episode i is a pure function of (bank fingerprint, task, seed, i).

    As `episodes.EpisodeSampler`, but an episode's labels are of the words of its sentences, in their order, and each
    episode is a batch of its own.

    Args:
        bank: where from.
        task: one of `episodes.tasks.spans`, or a plain `FixedTask`, whose ways are then labels.
        seed: which sequence of episodes.
        device: where the token ids are kept, gathered and returned.

    Raises:
        DataError: if the bank has too few types or mentions for the task.
    """

    bank: SpanBank

    def __init__(self, bank: SpanBank, task: Any, seed: int, device: torch.device | str = "cpu") -> None:
        self.task = with_words(task, bank.kind)
        self.task.check(bank)
        super().__init__(bank, device)
        self._key = generator_key(bank.fingerprint, self.task, seed)

    @property
    def one_shape(self) -> bool:
        return False

    def drawn(self, numbers: Iterable[int]) -> EpisodeIndices:
        uniform = uniform_numbers(self._key, numbers, self.task.numbers(self.bank))
        return self.task.draw(self.bank, Uniforms(uniform))  # type: ignore[no-any-return]

    def indices(self, numbers: Iterable[int]) -> EpisodeIndices:
        wanted = list(numbers)
        drawn = self.drawn(wanted)
        order = random_orders(self._order_key, wanted, drawn.query.shape[1])
        query = np.take_along_axis(drawn.query, order, 1)
        return replace(drawn, query=query, query_labels=labels_of(self.bank, query[0], drawn.classes[0, 1:])[None])

    def each(self, numbers: Iterable[int]) -> Iterator[LabelledEpisodeBatch]:
        return (self.batch([number]) for number in numbers)

    def truth(self, numbers: Iterable[int]) -> Truth:
        drawn = self.indices(numbers)
        rows, labels = drawn.query[0], drawn.query_labels[0]
        begins = self.bank.begins[self.bank.words_of(rows)] & (labels > 0)
        return Truth(self.bank, rows, self.bank.lengths[rows], labels, begins)
