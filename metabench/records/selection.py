"""How a run's options were chosen: the settings that were tried, and what each gave on validation tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pydantic import Field, model_validator

from metabench.metrics.metric import Metric
from metabench.records.parts import MOST_ERROR, Amount, Count, Part


class Try(Part):
    """A setting that was tried.

    Attributes:
        options: the values of those options that were to be chosen.
        mean: of the learner's metric over the validation tasks; None where its values were not finite.
        seconds: of training and scoring it, by the clock.
        processor_seconds: the same in processor time of all threads.
    """

    options: dict[str, Any] = Field(min_length=1)
    mean: float | None = Field(ge=0, le=MOST_ERROR)
    seconds: Amount
    processor_seconds: Amount


class Range(Part):
    """The numbers that an option may have, both ends included: whole ones where the ends are.

    Attributes:
        low, high: the ends.
        log: whether equal ratios are as likely, in place of equal differences.
    """

    low: int | float
    high: int | float
    log: bool

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def __str__(self) -> str:
        return f"{'log' if self.log else 'range'}[{self.low},{self.high}]"

    @model_validator(mode="after")
    def _upwards(self) -> Range:
        if not self.low < self.high:
            raise ValueError("it ends where it begins, or below")
        if self.log and self.low <= 0:
            raise ValueError("a logarithmic range begins above 0")
        return self


Space = dict[str, Range | tuple[Any, ...]]  # of each option a range, or a list of values


def written(axis: Range | Iterable[Any], text: Callable[[Any], str] = str) -> str:
    """A range or a list of values in one word: `log[0.1,1.0]`, or each value once, as `text` has it: `adm|gd`."""
    return str(axis) if isinstance(axis, Range) else "|".join(dict.fromkeys(map(text, axis)))


def identity_of(space: Space, tries: int) -> Any:
    """What makes a search the same search, as JSON takes it: where settings are proposed, and how many."""
    axes = {
        name: axis.model_dump(mode="json") if isinstance(axis, Range) else list(axis) for name, axis in space.items()
    }
    return {"space": axes, "tries": tries}


class Selection(Part):
    """How a run's options were chosen: by tasks of the validation classes alone, the same tasks for every try.

    Attributes:
        episodes: how many tasks each try was scored on.
        grid: how many settings the study's lists had, of which the tries are all, or a part; None with a range.
        tries: in order; the first of the best is the run's.
        searched: with a range, where the tries were proposed one after another (see `metabench.sweep.proposals`).
    """

    episodes: Count
    grid: Count | None
    tries: tuple[Try, ...] = Field(min_length=2)
    searched: Space | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Of the options that were chosen, sorted."""
        return tuple(sorted(self.tries[0].options))

    @property
    def space(self) -> Any:
        """What was tried, as JSON takes it: with the other settings it makes a run the same run."""
        if self.searched is not None:
            return identity_of(self.searched, len(self.tries))
        return [each.options for each in self.tries]

    @property
    def seconds(self) -> float:
        """That the search took, by the clock: all tries together, that of the run's own setting included."""
        return sum(each.seconds for each in self.tries)

    @property
    def processor_seconds(self) -> float:
        """The same in processor time."""
        return sum(each.processor_seconds for each in self.tries)

    def best(self, metric: Metric) -> Try | None:
        """The try with the best mean, of equal ones the first; None where no try has a mean."""
        found: Try | None = None
        for each in self.tries:
            if each.mean is None:
                continue
            if found is None or found.mean is None or not metric.at_least_as_good(found.mean, each.mean):
                found = each
        return found

    @model_validator(mode="after")
    def _of_the_same_options(self) -> Selection:
        if any(each.options.keys() != self.tries[0].options.keys() for each in self.tries):
            raise ValueError("its tries are not of the same options")
        if (self.grid is None) != (self.searched is not None):
            raise ValueError("it has tries of lists or of ranges, and so either grid or searched")
        if self.grid is not None and self.grid < len(self.tries):
            raise ValueError("it has more tries than there were settings to try")
        if self.searched is not None and self.searched.keys() != self.tries[0].options.keys():
            raise ValueError("its tries are not of the options that were searched")
        return self


class Tried(Part):
    """What a try gave, as a sweep keeps it.

    Attributes:
        digest: of the run that it is a try of (see `metabench.records.keys.run_digest`).
        episodes: how many validation tasks it was scored on.
        mean, seconds, processor_seconds: as of a `Try`.
    """

    digest: str
    episodes: Count
    mean: float | None = Field(ge=0, le=MOST_ERROR)
    seconds: Amount
    processor_seconds: Amount
