"""The tasks of a run of texts on which its learner did worst, as a page beside the record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from episodes.files.atomic import write_bytes
from episodes.sampling.source import BankSource
from metabench.learner import Learner
from metabench.records.record import HARDEST_PAGE
from metabench.records.shown import MOST_BYTES
from metabench.texts.html import Page, html
from metabench.texts.limits import Limits
from metabench.texts.task import predictions, shown_task

# The first that makes a small file.
LIMITS = (
    Limits(classes=25, support=5, queries=20, characters=300),
    Limits(classes=25, support=3, queries=10, characters=150),
    Limits(classes=10, support=2, queries=5, characters=80),
)


def write_hardest(
    folder: Path, source: BankSource, numbers: Sequence[int], learner: Learner, name: str, temperature: float = 1.0
) -> None:
    """Write these tasks, with what the learner predicts, to `hardest.html` in the folder.

    Args:
        folder: of the run.
        source: of the test tasks, on the learner's device.
        numbers: of the tasks, the hardest first.
        learner: trained.
        name: of the learner.
        temperature: what its logits are divided by.
    """
    made = {number: predictions(source, number, learner, temperature) for number in numbers}
    for limits in LIMITS:
        tasks = [
            shown_task(source, number, f"{source.name}, task {number}, {name}: {each.score}", each, limits)
            for number, each in made.items()
        ]
        text = html(Page(title=f"{name} on {source.name}: the hardest tasks", tasks=tasks, data=True)).encode()
        if len(text) <= MOST_BYTES:
            break
    write_bytes(folder / HARDEST_PAGE, text)
