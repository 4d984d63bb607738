"""Recipes of tasks whose items are the words of sentences: few-shot named entities and extractive questions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from episodes.episode import EpisodeIndices
from episodes.errors import DataError, counted
from episodes.tasks.fixed import FixedTask
from episodes.uniforms import Uniforms, distinct

if TYPE_CHECKING:
    from episodes.banks.bank import Kind
    from episodes.banks.spans import SpanBank

ATTEMPTS = 8  # orders of sentences that are tried for an episode
OUTSIDE = -1  # stands in `EpisodeIndices.classes` for what is of no type, whose label is 0


@dataclass(frozen=True, repr=False)
class EntityTask(FixedTask):
    """N types, K to 2K mentions of each in the support, q to 2q in the queries, and all their words as items.

    Sentences are drawn by the greedy sampling of Few-NERD (Ding et al. 2021, section 4.3, algorithm 1): in random
    order, each is taken if it has a mention of a type that is still below K and brings none above 2K, until none is
    below. The queries follow likewise from the sentences that are left. Differs from the paper: mentions of other types
    do not exclude a sentence, but are outside, as in any text of which only some types are asked for.

    Attributes:
        ways: types and the outside, N + 1: how many labels a word may have.
        shots: K.
        queries: q.

    Raises:
        DataError: if a number is out of its range.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("entities",)

    def __post_init__(self) -> None:
        if self.ways < 2:
            raise DataError(f"--ways {self.ways - 1} is too small; give at least 1")
        super().__post_init__()

    @property
    def one_shape(self) -> bool:
        return False

    def check(self, bank: SpanBank, prefix: str = "--") -> None:  # type: ignore[override]
        types = self.ways - 1
        if types > bank.classes:
            raise DataError(
                f"'{bank.name}' has {counted(bank.classes, 'types')}; {prefix}ways {types} needs as many: ask for "
                "fewer, or give a --split with more in this part, such as a .json file of your own"
            )
        _check_mentions(bank, bank.mention_counts, self.shots + self.queries, f"{prefix}shots and {prefix}queries")

    def numbers(self, bank: SpanBank) -> int:  # type: ignore[override]
        return bank.classes + ATTEMPTS * len(bank)

    def draw(self, bank: SpanBank, uniforms: Uniforms) -> EpisodeIndices:  # type: ignore[override]
        """One episode.

        Raises:
            DataError: several at once, which do not fit one batch, or no such episode is found.
        """
        _one(uniforms)
        types = distinct(uniforms.take(bank.classes)[:, : self.ways - 1], np.asarray([bank.classes]))[0]
        counts = bank.mention_counts[:, types]
        for _ in range(ATTEMPTS):
            order = np.argsort(uniforms.take(len(bank))[0], kind="stable")
            support = greedy(counts, order, self.shots)
            other = ~np.isin(bank.documents[order], bank.documents[support])
            query = greedy(counts, order[other], self.queries)
            if support and query:
                return _episode(bank, types, support, query)
        raise _not_found(bank, f"{self.shots} to {2 * self.shots} mentions of each of {len(types)} types", "--shots")


@dataclass(frozen=True, repr=False)
class QuestionTask(EntityTask):
    """K questions with their texts and answers, and q others about texts that are in none of them."""

    kinds: ClassVar[tuple[Kind, ...]] = ("questions",)


@dataclass(frozen=True)
class AllWaySpans:
    """All types at once, K to 2K mentions of each; the sentences that are held out are the queries.

    The support is drawn as in an `EntityTask`, so that of questions, which have one answer each, there are K. Episode i
    is the i-th draw; for questions this is the protocol of Ram et al. 2021 (section 3).

    Attributes:
        shots: K.
        queries: the first so many held-out sentences for each type, or all that there are; None for all.

    Raises:
        DataError: if a number is out of its range.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("entities", "questions")

    shots: int
    queries: int | None = None

    def __post_init__(self) -> None:
        if self.shots < 1:
            raise DataError(f"--shots {self.shots} is too small; give at least 1")

    @property
    def one_shape(self) -> bool:
        return False

    def check(self, bank: SpanBank, prefix: str = "--") -> None:
        if not bank.held:
            raise DataError(f"'{bank.name}' holds nothing out for queries; load it for {prefix}task all-way")
        _check_mentions(bank, bank.mention_counts[: len(bank) - bank.held], self.shots, f"{prefix}shots {self.shots}")

    def numbers(self, bank: SpanBank) -> int:
        return ATTEMPTS * len(bank)

    def draw(self, bank: SpanBank, uniforms: Uniforms) -> EpisodeIndices:
        """As of `EntityTask`."""
        _one(uniforms)
        first = len(bank) - bank.held
        query = range(first, len(bank))[: self.queries and self.queries * bank.classes]
        for _ in range(ATTEMPTS):
            order = np.argsort(uniforms.take(len(bank))[0], kind="stable")
            if support := greedy(bank.mention_counts, order[order < first], self.shots):
                return _episode(bank, np.arange(bank.classes), support, query)
        raise _not_found(bank, f"{self.shots} to {2 * self.shots} mentions of each type", "--shots")


def greedy(counts: NDArray[np.int64], order: NDArray[np.int64], least: int) -> list[int]:
    """Sentences with `least` to `2 * least` mentions of each type; none if the order leads to no such choice.

    Args:
        counts: how many mentions each sentence has of each type, `[M, types]`.
        order: the sentences in the order in which they are considered.
        least: at least 1.
    """
    useful = order[counts[order].any(1) & (counts[order] <= 2 * least).all(1)]
    total, chosen = [0] * counts.shape[1], []
    for row, more in zip(useful.tolist(), counts[useful].tolist(), strict=True):
        together = [have + new for have, new in zip(total, more, strict=True)]
        needed = any(new and have < least for have, new in zip(total, more, strict=True))
        if needed and max(together) <= 2 * least:
            chosen.append(row)
            total = together
            if min(total) >= least:
                return chosen
    return []


def with_words(task: Any, kind: Kind) -> Any:
    """What a plain N-way K-shot task is of a bank of that kind: N labels, the outside among them."""
    recipes = {"entities": EntityTask, "questions": QuestionTask}
    if kind in recipes and type(task) is FixedTask:
        return recipes[kind](task.ways, task.shots, task.queries)
    return task


def labels_of(bank: SpanBank, rows: NDArray[np.int64], types: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels of the words of some sentences in an episode of those types, `[words]`: other types are outside."""
    table = np.zeros(bank.classes + 1, dtype=np.int64)
    table[types + 1] = np.arange(1, len(types) + 1)
    return np.asarray(table[bank.labels.numpy()[bank.words_of(rows)]])


def _episode(bank: SpanBank, types: NDArray[np.int64], support: Iterable[int], query: Iterable[int]) -> EpisodeIndices:
    rows = [np.asarray(part, dtype=np.int64) for part in (support, query)]
    labels = [labels_of(bank, part, types)[None] for part in rows]
    return EpisodeIndices(
        np.concatenate([[OUTSIDE], types])[None],
        *(rows[0][None], labels[0], rows[1][None], labels[1]),
        unlabelled=np.zeros((1, 0), dtype=np.int64),
    )


def _one(uniforms: Uniforms) -> None:
    if len(uniforms) != 1:
        raise DataError("tasks of sentences differ in their numbers of words; draw them one at a time")


def _check_mentions(bank: SpanBank, counts: NDArray[np.int64], needed: int, asked: str) -> None:
    mentions = counts.sum(0)
    fewest = int(mentions.argmin())
    if mentions[fewest] < needed:
        raise DataError(
            f"'{bank.name}' has {counted(int(mentions[fewest]), 'mentions')} of '{bank.class_names[fewest]}' to draw "
            f"from, of at least {needed} for {asked}: ask for fewer, or give more"
        )


def _not_found(bank: SpanBank, what: str, setting: str) -> DataError:
    return DataError(
        f"'{bank.name}' gave no task in {ATTEMPTS} attempts at {what}, as its {bank.noun} have mentions of several; "
        f"give another {setting}"
    )
