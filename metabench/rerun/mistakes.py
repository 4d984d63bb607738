"""The most confident mistakes of a run of texts, found among its data."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from episodes.banks.text import TextBank
from episodes.sampling.manifest import read_manifest
from episodes.sampling.source import BankSource
from metabench.errors import UsageError
from metabench.experiment.data import config_here
from metabench.experiment.prepare import check_frozen, prepare_tasks
from metabench.reports.inspect import Report
from metabench.stats.diagnostics import right
from metabench.texts.mistakes import Mistake
from metabench.texts.spans import pieces

MOST = 10


def confident_mistakes(folder: Path, found: Report, **settings: Any) -> list[Mistake]:
    """The wrong predictions of the highest confidence, each text once.

    A task's predictions are class by class, and within a class in the order of its queries, which is random and the
    same each time it is drawn.

    Args:
        folder: of the run.
        found: its report.
        settings: as of `inspect`.

    Raises:
        UsageError, episodes.DataError: the run's data or tasks are not here, or are others.
    """
    record, predictions = found.record, found.predictions
    config = config_here(record.config.model_dump(mode="json"), **{**settings, "device": "cpu"})
    check_frozen(folder, record, read_manifest(config.test.tasks) if config.test.tasks else None)
    test = prepare_tasks(config, again=(folder, record)).test
    assert isinstance(test, BankSource)
    bank = test.bank
    assert isinstance(bank, TextBank)

    names = dict(list(predictions.groupby("task")["class"]))

    @cache
    def rows_of(task: int) -> NDArray[np.int64]:
        drawn = test.indices([task])
        order = np.argsort(drawn.query_labels[0], kind="stable")
        classes = drawn.classes[0][drawn.query_labels[0][order]]
        if [bank.class_names[number] for number in classes] != list(names[task]):
            raise UsageError(f"the predictions of '{folder}' are of other queries than task {task} has")
        rows: NDArray[np.int64] = drawn.query[0][order]
        return rows

    wrong = predictions.assign(place=predictions.groupby("task").cumcount())[~right(predictions)]
    wrong = wrong.sort_values("confidence", ascending=False, kind="stable")
    mistakes: dict[int, Mistake] = {}
    columns = (wrong[name] for name in ("task", "place", "class", "prediction", "confidence"))
    for task, place, true, prediction, confidence in zip(*columns, strict=True):
        row = int(rows_of(task)[place])
        mistakes.setdefault(row, Mistake(pieces(bank.text(row)), true, prediction, confidence))
        if len(mistakes) == MOST:
            break
    return list(mistakes.values())
