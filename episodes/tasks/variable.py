"""VariableTask: Meta-Dataset's distribution of tasks, of differing ways, shots and balance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from episodes.episode import EpisodeIndices
from episodes.errors import DataError, counted
from episodes.tasks.task import padded
from episodes.uniforms import Uniforms, below, distinct

if TYPE_CHECKING:
    from episodes.banks.bank import ItemBank, Kind

LEAST_WAYS, MOST_WAYS = 5, 50
MOST_QUERIES, MOST_SUPPORT, MOST_SUPPORT_OF_A_CLASS = 10, 500, 100


@dataclass(frozen=True)
class VariableTask:
    """Ways, shots and imbalance are drawn anew for each episode, by the sampling algorithm of Meta-Dataset.

    Triantafillou et al. 2020, section 3.2 and appendix A.3. With |c| the number of images of class c:

    1. ways: uniform in 5..min(50, classes); with `groups=within` a group is drawn first, and its classes alone count
       (the paper's way with Omniglot's alphabets, which are those of `--split lake`).
    2. queries per class: min(10, floor(|c| / 2)), c the smallest class of the episode.
    3. size of the support: min(500, sum over c of ceil(beta * min(100, |c| - queries))), beta uniform in (0, 1].
    4. shots of c: min(floor(R_c * (size - ways)) + 1, |c| - queries), with R_c the share of exp(a_c) * |c| in its sum
       over the classes, and a_c uniform in [log 0.5, log 2).

    Attributes:
        groups: `any` classes, or all `within` one group of at least 5 classes.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("images", "text")

    groups: Literal["any", "within"] = "any"

    @property
    def one_shape(self) -> bool:
        return False

    def check(self, bank: ItemBank, prefix: str = "--") -> None:
        bank.refuse_held_out(f"{prefix}task variable")
        most = max(len(classes) for classes in self._candidates(bank))
        if most < LEAST_WAYS:
            what = f"the largest group of '{bank.name}'" if self.groups == "within" else f"'{bank.name}'"
            raise DataError(
                f"{what} has {counted(most, 'classes')}; {prefix}task variable needs at least {LEAST_WAYS}: "
                "give a --split with more in this part, or plain tasks by --ways"
            )
        smallest = min(range(bank.classes), key=bank.class_sizes.__getitem__)
        if bank.class_sizes[smallest] < 2:
            raise DataError(
                f"'{bank.name}' has 1 {bank.noun[:-1]} of class '{bank.class_names[smallest]}'; "
                f"{prefix}task variable needs 2: leave the class out"
            )

    def numbers(self, bank: ItemBank) -> int:
        return 3 + self._most_ways(bank) * (2 + self._most_drawn(bank))

    def draw(self, bank: ItemBank, uniforms: Uniforms) -> EpisodeIndices:
        """One episode.

        Raises:
            DataError: for several at once, which do not fit one batch.
        """
        if len(uniforms) != 1:
            raise DataError("episodes of --task variable differ in size; draw them one at a time")
        groups = [classes for classes in self._candidates(bank) if len(classes) >= LEAST_WAYS]
        group, ways_number, beta = uniforms.take(3)[0]
        table, sizes = padded(groups)
        chosen = int(below(group, len(groups)))
        ways = LEAST_WAYS + int(below(ways_number, min(MOST_WAYS, len(groups[chosen])) - LEAST_WAYS + 1))
        most, drawn = self._most_ways(bank), self._most_drawn(bank)
        classes = table[chosen, distinct(uniforms.take(most)[:, :ways], sizes[[chosen]])[0]]
        sizes = bank.sizes[classes]
        queries = min(MOST_QUERIES, int(sizes.min()) // 2)
        shots = support_shots(sizes, queries, 1 - beta, uniforms.take(most)[0, :ways])
        parts: list[list[NDArray[np.int64]]] = [[], []]
        for number, size, count in zip(classes, sizes, shots, strict=True):
            uniform = uniforms.take(drawn)[:, : queries + count]
            images = bank.class_starts[number] + distinct(uniform, size[None])[0]
            parts[0].append(images[queries:])
            parts[1].append(images[:queries])
        support, query = (np.concatenate(part)[None] for part in parts)
        labels = np.arange(ways)
        return EpisodeIndices(
            *(classes[None], support, labels.repeat(shots)[None], query, labels.repeat(queries)[None]),
            unlabelled=np.zeros((1, 0), dtype=np.int64),
        )

    def _candidates(self, bank: ItemBank) -> list[list[int]]:
        return list(bank.group_members.values()) if self.groups == "within" else [list(range(bank.classes))]

    def _most_ways(self, bank: ItemBank) -> int:
        return min(MOST_WAYS, max(len(classes) for classes in self._candidates(bank)))

    def _most_drawn(self, bank: ItemBank) -> int:
        return min(MOST_SUPPORT + MOST_QUERIES, int(bank.sizes.max()))


def support_shots(
    sizes: NDArray[np.int64], queries: int, beta: float, uniform: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Steps 3 and 4 of `VariableTask`: shots `[ways]`, from the classes' sizes and numbers in [0, 1), both `[ways]`."""
    left = sizes - queries
    total = min(MOST_SUPPORT, int(np.ceil(beta * np.minimum(MOST_SUPPORT_OF_A_CLASS, left)).sum()))
    weights = np.exp(np.log(0.5) + uniform * np.log(4)) * sizes
    shares = weights / weights.sum()
    return np.asarray(np.minimum(np.floor(shares * (total - len(sizes))).astype(np.int64) + 1, left))
