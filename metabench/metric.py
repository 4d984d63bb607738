"""Measure: what a learner is scored by on a task, and how that is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Measure:
    """A figure of each test task.

    Attributes:
        name: for people.
        field: its field in scores and its column in the leaderboard.
        of_tasks: from answers `[B, Q, N]` and labels `[B, Q]` to `[B]` float64.
        more_is_better: which way is up.
        percent: whether tables show it in percent.
        digits: after the point, in tables.
    """

    name: str
    field: Literal["accuracy", "squared_error"]
    of_tasks: Callable[[Tensor, Tensor], Tensor]
    more_is_better: bool
    percent: bool
    digits: int

    def at_least_as_good(self, value: float, other: float) -> bool:
        return value >= other if self.more_is_better else value <= other

    @property
    def scale(self) -> int:
        """From the figure in a record to that in tables."""
        return 100 if self.percent else 1

    def text(self, value: float) -> str:
        """The figure for people: `95.63%`, or `0.3512`."""
        return f"{self.scale * value:.{self.digits}f}" + ("%" if self.percent else "")

    def interval(self, mean: float, half_width: float) -> str:
        """The same with its interval: `95.63% ± 0.49 points`, or `0.3512 ± 0.0311`."""
        return f"{self.text(mean)} ± {self.scale * half_width:.{self.digits}f}" + (" points" if self.percent else "")


def _fraction_right(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(2) == labels).double().mean(1)


def _squared_error(outputs: Tensor, labels: Tensor) -> Tensor:
    return (outputs[..., 0].double() - labels).square().mean(1)


ACCURACY = Measure("accuracy", "accuracy", _fraction_right, more_is_better=True, percent=True, digits=2)
SQUARED_ERROR = Measure(
    "mean squared error", "squared_error", _squared_error, more_is_better=False, percent=False, digits=4
)


def _alike(below: float, above: float, measure: Measure) -> bool:
    """Whether two arms of an interval differ by less than a fifth, or than the digits that are shown."""
    digit = float(10**-measure.digits) / measure.scale
    return abs(below - above) < max(1.5 * digit, 0.2 * max(below, above))


def with_interval(measure: Measure, mean: float, below: float, above: float) -> str:
    """`96.50 ± 0.44`, where the interval is not symmetric `100.00 -45.93 +0.00`; of a known number itself alone."""
    shown = f"{measure.scale * mean:.{measure.digits}f}"
    if measure.percent:
        below, above = min(below, mean), min(above, 1 - mean)
    arms = [max(0.0, measure.scale * arm) for arm in (below, above)]
    if max(arms) < 0.5 * 10**-measure.digits:
        return shown
    if _alike(below, above, measure):
        return f"{shown} ± {max(arms):.{measure.digits}f}"
    return f"{shown} -{arms[0]:.{measure.digits}f} +{arms[1]:.{measure.digits}f}"
