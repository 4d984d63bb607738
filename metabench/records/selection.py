"""How a run's options were chosen: the settings that were tried, and what each gave on validation tasks."""

from __future__ import annotations

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


class Selection(Part):
    """How a run's options were chosen: by tasks of the validation classes alone, the same tasks for every try.

    Attributes:
        episodes: how many tasks each try was scored on.
        grid: how many settings the study's lists had, of which the tries are all, or a part.
        tries: in order; the first of the best is the run's.
    """

    episodes: Count
    grid: Count
    tries: tuple[Try, ...] = Field(min_length=2)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the options that were chosen, sorted."""
        return tuple(sorted(self.tries[0].options))

    @property
    def space(self) -> Any:
        """What was tried, as JSON takes it: with the other settings it makes a run the same run."""
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
        if self.grid < len(self.tries):
            raise ValueError("it has more tries than there were settings to try")
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
