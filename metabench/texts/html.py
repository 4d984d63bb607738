"""Tasks, queries and tables as a page: one HTML file that needs nothing else, without any script.

The template escapes whatever it is given, isolates the direction of each text (`bdi`), and allows its own style sheet
alone (Content-Security-Policy).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from metabench.escape import embedded_json, policy_digest, readable
from metabench.records.shown import BEGIN, END, ShownTask
from metabench.texts.mistakes import Mistake

PAGES = (".html", ".htm")  # endings of their files
_SAID = {
    False: "Of each query the prediction and its confidence stand before the text.",
    True: "A query shows what was found, with its confidence and a cross where it is wrong, and what was missed.",
}


@dataclass(frozen=True)
class Table:
    """Rows of words under a title, each column to the right where it has numbers."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: Sequence[bool]


@dataclass(frozen=True)
class Page:
    """What is on a page, from top to bottom.

    Attributes:
        title: of it.
        notes: lines below the title.
        tables: of it.
        mistakes: queries with what they were taken for.
        mistakes_title: of these.
        tasks: of it.
        data: whether the tasks are in the page as data too, for `metabench.records.shown.read_shown`.
    """

    title: str
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    mistakes: Sequence[Mistake] = ()
    mistakes_title: str = ""
    tasks: Sequence[ShownTask] = ()
    data: bool = False


def html(page: Page) -> str:
    """The page as HTML."""
    style = _asset("page.css")
    shown = [query for task in page.tasks for each in task.classes for query in each.queries]
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["readable"] = readable
    return environment.from_string(_asset("page.html")).render(
        policy=f"default-src 'none'; style-src {policy_digest(style)}; base-uri 'none'; form-action 'none'",
        style=Markup(style),
        page=page,
        predicted=next((_SAID[query.prediction is None] for query in shown if query.right is not None), ""),
        data=Markup(f"{BEGIN}{embedded_json([task.model_dump(exclude_defaults=True) for task in page.tasks])}{END}")
        if page.data
        else "",
    )


@cache
def _asset(name: str) -> str:
    return (files("metabench.texts") / "assets" / name).read_text(encoding="utf-8")
