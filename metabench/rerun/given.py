"""A task that a user gives: labelled examples and queries, as a source of episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from episodes.banks.bank import ItemBank
from episodes.episode import LabelledEpisodeBatch
from episodes.sampling.source import EpisodeSource
from metabench.errors import UsageError
from metabench.escape import plain

# A folder or file, or labels with their examples: texts, or paths of pictures.
Support = str | Path | Mapping[str, Sequence[Any]]


class GivenTask(EpisodeSource):
    """One task as episodes that differ in their queries alone, so that any number of these fits into memory.

    Args:
        bank: the labelled items class by class, and the queries as its last class.
        device: where the tensors are to be.
        at_once: queries of an episode.
    """

    def __init__(self, bank: ItemBank, device: torch.device, at_once: int) -> None:
        self.bank, self.device = bank, device
        self.items, self.ways = bank, bank.classes - 1
        shown = int(bank.class_starts[-1])
        self.support = torch.arange(shown, device=device)
        self.labels = bank.labels[:shown].to(device)
        self.parts = torch.split(torch.arange(shown, len(bank), device=device), at_once)

    @property
    def name(self) -> str:
        return "the queries"

    @property
    def one_shape(self) -> bool:
        return False

    def __len__(self) -> int:
        """How many episodes."""
        return len(self.parts)

    def batch(self, numbers: Iterable[int]) -> LabelledEpisodeBatch:
        """The episode of one number; its queries have no labels that say anything."""
        (number,) = numbers
        rows = self.parts[number]
        support, query = self.items.gather_alike([self.support[None], rows[None]])
        unknown = torch.zeros_like(rows)[None]
        return LabelledEpisodeBatch(support, self.labels[None], query, self.ways, query_labels=unknown)


def sorted_by_label(labels: Sequence[str]) -> tuple[list[str], list[int]]:
    """The classes, sorted by name, and each example's number among them."""
    classes = sorted(set(labels))
    numbers = {name: number for number, name in enumerate(classes)}
    return classes, [numbers[label] for label in labels]


def by_label(support: Mapping[str, Sequence[Any]]) -> tuple[list[Any], list[str]]:
    """The examples of a mapping and their labels.

    Raises:
        UsageError: no class, one that has none, or one example in place of a list.
    """
    if not support:
        raise UsageError("the support has no examples; give some of at least two classes")
    for label, examples in support.items():
        if isinstance(examples, str | Path) or not isinstance(examples, Iterable):
            raise UsageError(f"support: class '{plain(str(label), 60)}' must have a list; found {examples!r:.60}")
        if not len(examples):
            raise UsageError(f"support: class '{plain(str(label), 60)}' has no examples; give it one, or leave it out")
    rows = [(str(label), example) for label, examples in support.items() for example in examples]
    return [example for _, example in rows], [label for label, _ in rows]
