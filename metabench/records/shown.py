"""Tasks of texts as people are shown them, and the file of a run's hardest ones, which may come from anyone.

Whatever is in them is harmless (see `metabench.escape.readable`), and there is only so much of it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from metabench.escape import readable

MOST_BYTES = 2**20  # of a file of hardest tasks
MOST_TASKS = 3  # in it
LONGEST = 1000  # characters of a text

Number = Annotated[int, Field(ge=0, lt=2**31)]
Name = Annotated[str, AfterValidator(lambda text: readable(text, 200))]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Piece(_Part):
    """A stretch of a text, and the labels of the spans that it is in."""

    text: Annotated[str, AfterValidator(lambda text: readable(text, LONGEST))]
    labels: tuple[Name, ...] = ()


Text = tuple[Piece, ...]


class ShownQuery(_Part):
    """A query, the class that a learner predicts for it, and the probability that it gives that; None for no learner.

    `right` is None likewise. Where words are the items, the predictions are spans of the text, labelled with their
    probability, and `missed` are those of the right ones that are not among them.
    """

    text: Text
    prediction: Name | None = None
    confidence: Annotated[float | None, Field(ge=0, le=1)] = None
    right: bool | None = None
    missed: Text = ()


class ShownClass(_Part):
    """A class of a task: support and queries, and how many of them are not shown."""

    name: Name
    support: tuple[Text, ...]
    queries: tuple[ShownQuery, ...]
    more_support: Number = 0
    more_queries: Number = 0


class ShownTask(_Part):
    """A task: what it is, its classes and how many of them are not shown, its pool of unlabelled texts likewise."""

    title: Name
    classes: tuple[ShownClass, ...]
    more_classes: Number = 0
    unlabelled: tuple[Text, ...] = ()
    more_unlabelled: Number = 0


TASKS: TypeAdapter[tuple[ShownTask, ...]] = TypeAdapter(Annotated[tuple[ShownTask, ...], Field(max_length=MOST_TASKS)])

BEGIN, END = '<script type="application/json" id="tasks">', "</script>"  # around a page's own data


def read_shown(path: Path) -> tuple[ShownTask, ...] | None:
    """The tasks of a page that has them as data too; None where there are none to be read. Nothing of its markup is."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            return None
        found = re.search(re.escape(BEGIN) + "(.*?)" + re.escape(END), path.read_text(encoding="utf-8"), re.DOTALL)
        return TASKS.validate_json(found[1]) if found else None
    except (OSError, ValueError):  # pydantic's errors are ValueErrors
        return None
