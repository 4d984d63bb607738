"""Metric: what a learner is scored by on a task, and how that is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from metabench.metrics.spans import answer_f1, best_span, exact_match, mentions, span_f1

if TYPE_CHECKING:
    from torch import Tensor

    from episodes.sampling.spans import Truth


@dataclass(frozen=True)
class Metric:
    """A value of each test task, by which learners are scored.

    Attributes:
        name: in scores, records and the leaderboard.
        label: for people.
        unit: `%` for what tables show in percent, else nothing.
        better: which way is better.
        per_task: from logits `[B, Q, N]`, labels `[B, Q]` and what else `EpisodeSource.truth` gives to `[B]` float64.
        digits: after the point, in tables.
        exact: a stricter one that is shown beside it: the fraction of answers that are right to the word.
    """

    name: Literal["accuracy", "squared_error", "span_f1", "answer_f1"]
    label: str
    unit: Literal["%", ""]
    better: Literal["higher", "lower"]
    per_task: Callable[[Tensor, Tensor, Any], Tensor]
    digits: int
    exact: Callable[[Tensor, Tensor, Any], Tensor] | None = None

    @property
    def more_is_better(self) -> bool:
        return self.better == "higher"

    @property
    def percent(self) -> bool:
        return self.unit == "%"

    def at_least_as_good(self, value: float, other: float) -> bool:
        return value >= other if self.more_is_better else value <= other

    @property
    def scale(self) -> int:
        """From the value in a record to the one in tables."""
        return 100 if self.percent else 1

    def text(self, value: float) -> str:
        """The value for people: `95.63%`, or `0.3512`."""
        return f"{self.scale * value:.{self.digits}f}" + ("%" if self.percent else "")

    def interval(self, mean: float, half_width: float) -> str:
        """The same with its interval: `95.63% ± 0.49 points`, or `0.3512 ± 0.0311`."""
        return f"{self.text(mean)} ± {self.scale * half_width:.{self.digits}f}" + (" points" if self.percent else "")


def _fraction_right(logits: Tensor, labels: Tensor, truth: None = None) -> Tensor:
    return (logits.argmax(2) == labels).double().mean(1)


def _squared_error(outputs: Tensor, labels: Tensor, truth: None = None) -> Tensor:
    return (outputs[..., 0].double() - labels).square().mean(1)


def _span_f1(logits: Tensor, labels: Tensor, truth: Truth) -> Tensor:
    """Of the mentions in one task, all types together; predicted ones are runs of words of one label."""
    found = mentions(logits[0].argmax(1).cpu().numpy(), truth.lengths)
    return logits.new_tensor([span_f1(found, mentions(truth.labels, truth.lengths, truth.begins))]).double()


def _answer_f1(logits: Tensor, labels: Tensor, truth: Truth) -> Tensor:
    scores = [answer_f1(found, accepted) for found, accepted in answers(logits, truth)]
    return logits.new_tensor([np.mean(scores)]).double()


def _exact_match(logits: Tensor, labels: Tensor, truth: Truth) -> Tensor:
    scores = [exact_match(found, accepted) for found, accepted in answers(logits, truth)]
    return logits.new_tensor([np.mean(scores)]).double()


def answers(logits: Tensor, truth: Truth) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of each question of one task what is predicted, and the accepted answers.

    The prediction is the span of words that has the largest sum of log-odds of label 1 against label 0.
    """
    odds = (logits[0, :, 1] - logits[0, :, 0]).double().cpu().numpy()
    for row, part in zip(truth.rows, np.split(odds, np.cumsum(truth.lengths)[:-1]), strict=True):
        sentence = truth.bank.sentences[row]
        first, last = best_span(part)
        yield sentence.text[sentence.words[first][0] : sentence.words[last - 1][1]], sentence.answers


ACCURACY = Metric("accuracy", "accuracy", "%", "higher", _fraction_right, digits=2)
SQUARED_ERROR = Metric("squared_error", "mean squared error", "", "lower", _squared_error, digits=4)
SPAN_F1 = Metric("span_f1", "span F1", "%", "higher", _span_f1, digits=2)
ANSWER_F1 = Metric("answer_f1", "answer F1", "%", "higher", _answer_f1, digits=2, exact=_exact_match)
METRICS: dict[str, Metric] = {metric.name: metric for metric in (ACCURACY, SQUARED_ERROR, SPAN_F1, ANSWER_F1)}


def _alike(below: float, above: float, metric: Metric) -> bool:
    """Whether two arms of an interval differ by less than a fifth, or by less than the digits that are shown."""
    digit = float(10**-metric.digits) / metric.scale
    return abs(below - above) < max(1.5 * digit, 0.2 * max(below, above))


def with_interval(metric: Metric, mean: float, below: float, above: float) -> str:
    """`96.50 ± 0.44`, where the interval is not symmetric `100.00 -45.93 +0.00`; of a known number itself alone."""
    shown = f"{metric.scale * mean:.{metric.digits}f}"
    if metric.percent:
        below, above = min(below, mean), min(above, 1 - mean)
    arms = [max(0.0, metric.scale * arm) for arm in (below, above)]
    if max(arms) < 0.5 * 10**-metric.digits:
        return shown
    if _alike(below, above, metric):
        return f"{shown} ± {max(arms):.{metric.digits}f}"
    return f"{shown} -{arms[0]:.{metric.digits}f} +{arms[1]:.{metric.digits}f}"
