"""A task of texts, with a learner's predictions, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from episodes.banks.text import TextBank
from episodes.episode import EpisodeIndices
from episodes.sampling.source import BankSource
from episodes.sampling.spans import SpanSampler
from metabench.learner import Learner, given_to
from metabench.records.predictions import CONFIDENCE_DIGITS
from metabench.records.shown import ShownClass, ShownQuery, ShownTask, Text
from metabench.texts.limits import Limits, cut
from metabench.texts.spans import pieces
from metabench.texts.words import Found, found_spans, shown_words


@dataclass(frozen=True, eq=False)
class Predictions:
    """Of a task's queries: the predicted labels `[Q]` int64 and their probabilities `[Q]`; and the score in words."""

    labels: NDArray[np.int64]
    confidences: NDArray[np.float64]
    score: str


def predictions(source: BankSource, number: int, learner: Learner, temperature: float = 1.0) -> Predictions | Found:
    """What a learner predicts for the queries of a task; of words, what it finds in them.

    Args:
        source: of the task, on the learner's device.
        number: the task's.
        learner: it.
        temperature: what its logits are divided by.
    """
    if isinstance(source, SpanSampler):
        return found_spans(source, number, learner, temperature)
    batch = source.batch([number]).to_float()
    with torch.no_grad():
        logits = learner.eval().classify(given_to(learner, batch)).float().cpu()
    shares = torch.softmax((logits - logits.amax(2, keepdim=True)) / temperature, dim=2)[0]
    metric = learner.problem.metric
    score = metric.text(float(metric.per_task(logits, batch.query_labels.cpu(), None)))
    confidences = shares.amax(1).double().numpy().round(CONFIDENCE_DIGITS)
    return Predictions(logits.argmax(2)[0].numpy(), confidences, f"{metric.label} {score}")


def shown_task(
    source: BankSource, number: int, title: str, made: Predictions | Found | None = None, limits: Limits | None = None
) -> ShownTask:
    """A task as it is shown.

    Args:
        source: of tasks of texts.
        number: the task's.
        title: of it.
        made: a learner's predictions.
        limits: how much of it.
    """
    limits = limits or Limits()
    if isinstance(source, SpanSampler):
        assert not isinstance(made, Predictions)
        return shown_words(source, number, title, made, limits)
    drawn, bank = source.indices([number]), source.bank
    assert isinstance(bank, TextBank)
    assert not isinstance(made, Found)
    names = [bank.class_names[each] for each in drawn.classes[0]]
    wrong = np.zeros(drawn.query.shape[1], bool) if made is None else made.labels != drawn.query_labels[0]
    wrongs = np.bincount(drawn.query_labels[0], weights=wrong, minlength=len(names))
    chosen = sorted(np.argsort(-wrongs, kind="stable")[: limits.classes].tolist())
    pool = drawn.unlabelled[0]
    return ShownTask(
        title=title,
        classes=tuple(_class(bank, drawn, names, label, made, wrong, limits) for label in chosen),
        more_classes=len(names) - len(chosen),
        unlabelled=tuple(_text(bank, row, limits) for row in pool[: limits.support]),
        more_unlabelled=max(0, len(pool) - limits.support),
    )


def _class(
    bank: TextBank,
    drawn: EpisodeIndices,
    names: list[str],
    label: int,
    made: Predictions | None,
    wrong: NDArray[np.bool_],
    limits: Limits,
) -> ShownClass:
    support = drawn.support[0][drawn.support_labels[0] == label]
    own = np.flatnonzero(drawn.query_labels[0] == label)
    if len(own) > limits.queries:
        own = own[np.argsort(~wrong[own], kind="stable")][: limits.queries]
    queries = [
        ShownQuery(text=_text(bank, drawn.query[0, place], limits))
        if made is None
        else ShownQuery(
            text=_text(bank, drawn.query[0, place], limits),
            prediction=names[made.labels[place]],
            confidence=float(made.confidences[place]),
            right=not wrong[place],
        )
        for place in own
    ]
    return ShownClass(
        name=names[label],
        support=tuple(_text(bank, row, limits) for row in support[: limits.support]),
        queries=tuple(queries),
        more_support=max(0, len(support) - limits.support),
        more_queries=int((drawn.query_labels[0] == label).sum()) - len(queries),
    )


def _text(bank: TextBank, row: int, limits: Limits) -> Text:
    return cut(pieces(bank.text(int(row))), limits.characters)
