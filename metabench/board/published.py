"""Values that papers print, beside which the page shows its own: other tasks and budgets, so they have no rank."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from metabench.records.keys import Board


@dataclass(frozen=True)
class Published:
    """One value, as printed.

    Attributes:
        dataset, task, ways, shots, metric: of the boards that it stands on, as `metabench.records.keys.Board` has them.
        method: its name in the paper.
        learner: the registered learner of that method; empty for none.
        network: that it was measured with; empty where the paper's table does not say.
        value: accuracies in percent, with as many digits as printed.
        transductive: `yes` where predictions depend on a task's other queries; empty where the paper does not say.
        outside_data: `yes` or `no`, whether weights were trained on other data.
        source: the paper that prints it, as `Snell et al. 2017`.
        url: of the paper.
    """

    dataset: str
    task: str
    ways: int
    shots: int
    method: str
    learner: str
    network: str
    metric: str
    value: str
    transductive: str
    outside_data: str
    source: str
    url: str

    def is_on(self, board: Board) -> bool:
        """Whether it is of the board's dataset and task; of which test tasks a paper's value is, nobody can say."""
        names = ("dataset", "task", "ways", "shots", "metric")
        return all(getattr(self, name) == getattr(board, name) for name in names)


@cache
def published() -> tuple[Published, ...]:
    """All values of `published.csv`, in its order."""
    text = (files("metabench.board") / "published.csv").read_text(encoding="utf-8")
    return TypeAdapter(tuple[Published, ...]).validate_python(list(csv.DictReader(text.splitlines())))
