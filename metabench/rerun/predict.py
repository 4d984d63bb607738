"""`metabench predict`: a trained learner on a user's own few labelled examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from episodes.banks.bank import SPANS
from episodes.banks.vocabulary import TextShape
from episodes.errors import readable
from metabench.errors import RunError, UsageError
from metabench.escape import plain
from metabench.evaluation.loop import predict_episodes
from metabench.learner import ITEMS_AT_ONCE
from metabench.records.predictions import CONFIDENCE_DIGITS
from metabench.records.reader import read_record, record_file
from metabench.registry import faults_of
from metabench.rerun.alone import TrainedLearner, load_learner
from metabench.rerun.given import GivenTask, Support
from metabench.rerun.given_pictures import read_pictures
from metabench.rerun.given_texts import read_texts

Queries = str | Path | Sequence[str] | Sequence[Path]


def predict(
    run: str | Path,
    support: Support,
    queries: Queries,
    device: str = "auto",
    data_root: str | Path | None = None,
    weights: str | Path | None = None,
) -> pd.DataFrame:
    """Learn the classes of a few labelled examples, and predict those of queries: `metabench predict` as a call.

    Any number of classes from 2 on, and any number of examples of each, which need not be alike; a learner of fixed
    ways takes as many classes as its run had. A transductive learner looks at all queries together.

    Args:
        run: a finished run's folder, with its weights.
        support: of texts, a .csv or .jsonl file with columns `text` and `label`, or a folder of .txt files by class; of
            pictures, a folder of class folders; or of both an archive of such a folder, or a mapping from labels to
            lists of texts or of paths.
        queries: of texts, one or several, or as a `pathlib.Path` a file of them: .txt with one on each line, or .csv or
            .jsonl with a column `text`; of pictures, the path of one, of a folder of them, or several.
        device: `auto`, `cpu` or `cuda`.
        data_root: folder with the run's data. They are needed only by learners of texts whose vocabulary was made of
            the training texts, or that ask how rare a word is there.
        weights: the file of weights that the run began with, needed where its vocabulary is the learner's; None to look
            for it.

    Returns:
        One row per query, in their order: `query` (the text, or the path), `prediction` (a label) and `confidence`: the
        probability that the learner gives it, 0 to 1, of logits divided by the run's temperature, as in
        predictions.parquet.

    Raises:
        UsageError, episodes.DataError: a request that cannot be met.
        RunError: the learner fails.
    """
    record, _ = read_record(record_file(run))
    if record.regression:
        raise UsageError(
            f"'{run}' is a regression, which predicts numbers; predict takes a run of classification, with labelled "
            "examples"
        )
    if record.dataset.kind in SPANS:
        raise UsageError(
            f"'{run}' is about words of sentences; predict takes a run whose items are whole texts or pictures"
        )
    asked = queries if isinstance(queries, Path) and record.dataset.kind == "text" else _listed(queries)
    trained = load_learner(run, device, data_root, weights)
    shape = trained.learner.problem.image_shape
    read: Any = read_texts if isinstance(shape, TextShape) else read_pictures
    classes, names, bank = read(support, asked, shape)
    _check_ways(trained, classes, support)
    at_once = len(names) if trained.learner.transductive else ITEMS_AT_ONCE
    task = GivenTask(bank, trained.device, at_once)
    name, temperature = record.config.learner, record.score.temperature
    with faults_of(type(trained.learner), name, RunError):
        made = predict_episodes(trained.learner, task, len(task), temperature=temperature or 1.0)
    return pd.DataFrame(
        {
            "query": [readable(name) for name in names],
            "prediction": [classes[number] for number in made.predictions],
            "confidence": np.round(made.confidences.astype(np.float64), CONFIDENCE_DIGITS),
        }
    )


def _listed(queries: Queries) -> list[str | Path]:
    if not isinstance(queries, str | Path | Iterable):
        raise UsageError(f"the queries are of type {type(queries).__name__}; give a str, a Path, or a list of them")
    listed: list[str | Path] = [queries] if isinstance(queries, str | Path) else list(queries)
    if not listed:
        raise UsageError("there are no queries; give at least one")
    return listed


def _check_ways(trained: TrainedLearner, classes: list[str], support: Support) -> None:
    where = f"--support '{support}'" if isinstance(support, str | Path) else "the support"
    if len(classes) < 2:
        raise UsageError(
            f"{where} has one class, '{plain(classes[0], 60)}', and there is nothing to tell it from; add examples of "
            "another"
        )
    ways = trained.record.config.task.ways
    if trained.learner.fixed_ways and len(classes) != ways:
        raise UsageError(
            f"learner '{trained.record.config.learner}' of '{trained.folder}' classifies tasks of {ways} ways and no "
            f"others, and {where} has {len(classes)} classes; give {ways}, or a run of another learner"
        )
