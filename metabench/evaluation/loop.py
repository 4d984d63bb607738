"""The one evaluation loop: a learner's score on each of a sequence of episodes, and its prediction for each query."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from episodes.banks.bank import SPANS
from episodes.banks.images import ImageBank
from episodes.episode import EpisodeIndices, to_float
from episodes.sampling.source import BankSource, EpisodeSource
from metabench import ranks
from metabench.checks import logits_problem
from metabench.errors import NotFiniteError, RunError
from metabench.evaluation.features import CHECKED, given_features, may_be_given, network_as_it_came, network_features
from metabench.evaluation.progress import Progress
from metabench.learner import (
    ITEMS_AT_ONCE,
    SENTENCES_AT_ONCE,
    EmbeddingLearner,
    EpisodeFeatures,
    Learner,
    features_of,
    given_to,
)
from metabench.stats.stopping import FixedWidth

EPISODES_AT_ONCE = 16
FUNCTIONS_AT_ONCE = 64  # in regression, whose episodes are a few numbers each


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a learner made of E episodes, of R queries in all.

    Attributes:
        scores: the learner's metric on each episode, `[E]` float64.
        exact: the stricter one beside it, where the metric has one (see `Metric.exact`), else empty.
        ways: how many classes each episode has, `[E]` int64; 1 in regression.
        queries: how many queries each has, `[E]` int64; they add up to R.
        labels: the queries' true labels within their episodes, episode by episode, `[R]` int64; in regression and of
            words empty, like the next two.
        predictions: the predicted labels, `[R]` int64.
        confidences: the softmax probability of each prediction, of the logits over a temperature, `[R]` float32.
    """

    scores: NDArray[np.float64]
    exact: NDArray[np.float64]
    ways: NDArray[np.int64]
    queries: NDArray[np.int64]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    confidences: NDArray[np.float32]


def evaluate(
    learner: Learner, sampler: EpisodeSource, episodes: int, progress: str | None = None, start: int = 0
) -> NDArray[np.float64]:
    """The learner's metric on each of the episodes `start` to `episodes` - 1, `[episodes - start]` float64.

    It is the fraction of queries predicted correctly, in regression the mean squared error over them, or F1. Arguments
    and errors are those of `predict_episodes`.
    """
    return predict_episodes(learner, sampler, episodes, progress, start).scores


def predict_episodes(
    learner: Learner,
    sampler: EpisodeSource,
    episodes: int,
    progress: str | None = None,
    start: int = 0,
    temperature: float = 1.0,
) -> Evaluation:
    """The learner's metric on each of the episodes `start` to `episodes` - 1, and its predictions for their queries.

    Args:
        learner: on the sampler's device.
        sampler: where the episodes come from.
        episodes: how many there are, at least `start` + 1.
        progress: what to call this in a bar or in lines (see `metabench.evaluation.progress`); None for none.
        start: the first of them.
        temperature: what logits are divided by for the confidences.

    Raises:
        NotFiniteError: the learner's logits are not finite.
        RunError: they are not `[B, Q, N]`.
    """
    parts, metric = [], learner.problem.metric
    numbers = range(start, episodes)
    own = _own(learner, sampler, numbers)
    done = own.start
    with Progress(progress, 0, len(own), "task") if progress else nullcontext() as shown:
        for logits, labels in predicted_logits(learner, sampler, numbers, bool(progress)):
            asked = (logits, labels, sampler.truth(range(done, done + len(logits))))
            exactly = metric.exact(*asked) if metric.exact else logits.new_empty(0)
            sizes = (torch.full((len(logits),), size) for size in (logits.shape[2], labels.shape[1]))
            parts.append(
                (metric.per_task(*asked), exactly, *sizes, *_predictions(learner, logits, labels, temperature))
            )
            done += len(logits)
            if shown:
                shown.step(len(logits))
    return Evaluation(*(each.cpu().numpy() for each in _of_all_ranks(parts)))


def predicted_logits(
    learner: Learner, sampler: EpisodeSource, numbers: range, progress: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits `[B, Q, N]` and labels `[B, Q]` of blocks of the episodes of these numbers, in their order.

    Of several ranks each has a part of the blocks, which are those of one process. Arguments and errors are those of
    `predict_episodes`.
    """
    was_training = learner.training
    learner.eval()
    with torch.no_grad():
        logits_of = _predictor(learner, sampler, numbers, progress)
    for block in _chunks(_own(learner, sampler, numbers), _at_once(learner, sampler)):
        with torch.no_grad():
            logits, labels, ways = logits_of(block)
        if problem := logits_problem(logits, (*labels.shape, ways)):
            raise RunError(f"learner {type(learner).__name__} breaks its contract: {problem}")
        logits = logits.detach() if logits.dtype in (torch.float32, torch.float64) else logits.detach().float()
        if not torch.isfinite(logits).all():
            raise NotFiniteError(
                f"the learner's predictions for tasks {block[0]} to {block[-1]} of '{sampler.name}' are not finite; "
                "lower its learning rates"
            )
        yield logits, labels
    learner.train(was_training)


def gathered_logits(learner: Learner, sampler: EpisodeSource, numbers: range) -> list[tuple[Tensor, Tensor]]:
    """All that `predicted_logits` gives, on every rank, in main memory."""
    parts = [(logits.cpu(), labels.cpu()) for logits, labels in predicted_logits(learner, sampler, numbers)]
    return [each for of_rank in ranks.gathered(parts) for each in of_rank]


def _at_once(learner: Learner, sampler: EpisodeSource) -> int:
    """How many episodes are a block."""
    if not sampler.one_shape:
        return 1
    return FUNCTIONS_AT_ONCE if learner.problem.regression else EPISODES_AT_ONCE


def _own(learner: Learner, sampler: EpisodeSource, numbers: range) -> range:
    """Which of the episodes are this rank's."""
    return ranks.share(numbers, _at_once(learner, sampler))


def _of_all_ranks(parts: Sequence[tuple[Tensor, ...]]) -> list[Tensor]:
    """The tensors at each place of the tuples as one, over this rank's parts and then over ranks."""
    own = [torch.cat(each) for each in zip(*parts, strict=True)]
    if ranks.count() == 1:
        return own
    found = filter(None, ranks.gathered([each.cpu() for each in own]))  # a rank may have no part
    return [torch.cat(each) for each in zip(*found, strict=True)]


def _predictions(learner: Learner, logits: Tensor, labels: Tensor, temperature: float) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, predictions and confidences, `[R]` each, of logits `[B, Q, N]`; nothing in regression and of words."""
    if learner.problem.regression or learner.problem.words:
        return labels.new_empty(0), labels.new_empty(0), logits.new_empty(0)
    below_best = logits.float() - logits.float().amax(2, keepdim=True)  # which cannot overflow when divided
    confidences = torch.softmax(below_best / temperature, dim=2).amax(2)
    return labels.flatten(), logits.argmax(2).flatten(), confidences.flatten()


def evaluate_until(
    learner: Learner,
    sampler: EpisodeSource,
    rule: FixedWidth,
    progress: str | None = None,
    temperature: float = 1.0,
) -> Evaluation:
    """As `predict_episodes`, on the first episodes, as many as the rule asks for."""
    made, scores = [], np.zeros(0)
    while (needed := rule.needed(scores)) > len(scores):
        made.append(predict_episodes(learner, sampler, needed, progress, len(scores), temperature))
        scores = np.concatenate([scores, made[-1].scores])
    return Evaluation(*(np.concatenate([getattr(stage, each.name) for stage in made]) for each in fields(Evaluation)))


class _Direct:
    """Predictions by `Learner.classify`."""

    def __init__(self, learner: Learner, sampler: EpisodeSource) -> None:
        self.learner, self.sampler = learner, sampler

    def __call__(self, numbers: range) -> tuple[Tensor, Tensor, int]:
        batch = self.sampler.batch(numbers).to_float()
        return self.learner.classify(given_to(self.learner, batch)), batch.query_labels, batch.ways


class _Embedded:
    """Predictions from features, after embedding each image that occurs in any of the episodes once."""

    def __init__(self, learner: EmbeddingLearner, sampler: BankSource, episodes: range, progress: bool) -> None:
        self.learner, self.sampler, self.episodes, self.progress = learner, sampler, episodes, progress
        # Drawn once and together, which is most of the work for a single task; they take as much memory as the results.
        self.at_once = 64 * _at_once(learner, sampler) if sampler.one_shape else 1
        self.indices = [sampler.indices(numbers) for numbers in _chunks(episodes, self.at_once)]
        self.features = self._embed_all()

    def __call__(self, numbers: range) -> tuple[Tensor, Tensor, int]:
        drawn, device = self._drawn(numbers), self.features.device
        parts = [drawn.support, drawn.query]
        if self.learner.semi_supervised and drawn.unlabelled.size:
            parts.append(drawn.unlabelled)
        items = (self.sampler.bank.items_of(torch.from_numpy(part).to(device)) for part in parts)
        # Indexing takes five times as long.
        support, query, *pool = (F.embedding(part, self.features) for part in items)
        support_labels, query_labels = (
            torch.from_numpy(part.copy()).to(device) for part in (drawn.support_labels, drawn.query_labels)
        )
        ways = drawn.classes.shape[1]
        features = EpisodeFeatures(support, support_labels, query, ways, pool[0] if pool else None)
        return self.learner.classify_features(features), query_labels, ways

    def _drawn(self, block: range) -> EpisodeIndices:
        first, start = divmod(block.start - self.episodes.start, self.at_once)
        return EpisodeIndices(*(part[start : start + len(block)] for part in vars(self.indices[first]).values()))

    def _embed_all(self) -> Tensor:
        """`[M, D]`: the features of every item drawn; zeros for the others."""
        bank = self.sampler.bank
        drawn = np.zeros(len(bank), dtype=bool)
        for indices in self.indices:
            for part in (indices.support, indices.query, indices.unlabelled):
                drawn[part.ravel()] = True
        rows = torch.from_numpy(np.flatnonzero(drawn)).to(self.sampler.device)
        rows = bank.by_length(rows)
        parts = torch.split(rows, SENTENCES_AT_ONCE if bank.kind in SPANS else ITEMS_AT_ONCE)
        items = [bank.items_of(part) for part in parts]
        features = self._from_kept(bank, rows) if isinstance(bank, ImageBank) else None
        if features is None:
            own = ranks.share(list(zip(parts, items, strict=True)))
            embedded = [(features_of(self.learner, to_float(bank.gather(part)), len(of)),) for part, of in own]
            (features,) = _of_all_ranks(embedded)
            features = features.to(rows.device)
        table = features.new_zeros(len(bank.labels), features.shape[1])
        table[torch.cat(items)] = features
        return table

    def _from_kept(self, bank: ImageBank, rows: Tensor) -> Tensor | None:
        """Their features by way of those of a network that no training changes; None where there is none."""
        learner, network = self.learner, network_as_it_came(self.learner)
        if network is None:
            return None
        kept = network_features(network, bank, rows, self.progress)
        if not may_be_given(learner, network, to_float(bank.gather(rows[:CHECKED])), kept[:CHECKED]):
            return None
        with given_features(learner, network):
            return torch.cat([features_of(learner, part) for part in torch.split(kept, ITEMS_AT_ONCE)])


def _predictor(learner: Learner, sampler: EpisodeSource, episodes: range, progress: bool) -> _Direct | _Embedded:
    if isinstance(sampler, BankSource) and isinstance(learner, EmbeddingLearner) and learner.frozen_embedding:
        return _Embedded(learner, sampler, episodes, progress)
    return _Direct(learner, sampler)


def _chunks(numbers: range, size: int) -> Iterator[range]:
    return (numbers[first : first + size] for first in range(0, len(numbers), size))
