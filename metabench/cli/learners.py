"""What `metabench list learners` prints: all by family, or one in full."""

from __future__ import annotations

import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields

from episodes.errors import DataError
from metabench.cli.listings import WIDTH, first_line, option_lines
from metabench.errors import UsageError
from metabench.learner import Learner, TrainingOptions
from metabench.registry import adapter_names, get_adapter, get_learner, learner_names

LAST = ("other", "broken")  # of the families
DECLARED = {
    "regression": "it predicts numbers, too",
    "transductive": "a prediction may depend on the task's other queries",
    "label_equivariant": "renaming a task's labels only renames the predictions",
    "outside_data": "some weights were trained on data that is not the run's",
    "fixed_ways": "it classifies tasks of as many classes as it was built for, and no others",
    "semi_supervised": "it looks at a task's unlabelled items",
}


def by_family() -> str:
    """Every registered learner in a line, under its family; a broken one by name."""
    families: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name in learner_names():
        try:
            learner = get_learner(name)
            families[learner.source.family].append((name, _in_a_line(learner)))
        except UsageError as error:
            families["broken"].append((name, str(error)))
    width = max(map(len, learner_names()))
    lines = []
    for family in sorted(families, key=lambda each: (each in LAST, each == LAST[-1], each)):
        lines += [family, *(f"  {name:{width}}  {text}".rstrip() for name, text in families[family])]
    lines += [*_adapters(), "`metabench list learners NAME` shows one in full: papers, options, presets"]
    return "\n".join(lines)


def _adapters() -> Iterator[str]:
    """What else is a learner by `prefix:name`: methods of other packages, or why they cannot be listed."""
    for prefix in adapter_names():
        try:
            adapter = get_adapter(prefix)
            names = adapter.learner_names()
        except (DataError, UsageError) as error:
            yield from (f"other packages, as {prefix}:NAME", f"  {error}")
            continue
        if names == learner_names():
            yield from (f"each of these, as {prefix}:NAME", f"  {first_line(adapter)}")
        else:
            yield f"other packages, as {prefix}:NAME"
            yield textwrap.fill(", ".join(names), WIDTH, initial_indent="  ", subsequent_indent="  ")


def _in_a_line(learner: type[Learner]) -> str:
    papers = ", ".join(paper.short for paper in learner.source.papers)
    parts = [first_line(learner), "Classification and regression." if learner.regression else ""]
    parts.append("Transductive." if learner.transductive is True else "")  # a property depends on options
    return " ".join(part for part in [*parts, f"({papers})" if papers else ""] if part)


def in_full(name: str) -> str:
    """One learner: its documentation, papers with BibTeX, what it declares, options and presets.

    Raises:
        UsageError: as `metabench.registry.get_learner`.
    """
    learner = get_learner(name)
    parts = [f"{name} ({learner.__module__}:{learner.__qualname__})", inspect.cleandoc(learner.__doc__ or "")]
    parts += [*_source(learner), *_declared(learner), *_options(learner), *_presets(learner)]
    return "\n\n".join(part for part in parts if part)


def _source(learner: type[Learner]) -> Iterator[str]:
    source = learner.source
    yield f"Family: {source.family}" + (f"\nWraps: {source.wraps}" if source.wraps else "")
    for paper in source.papers:
        yield f"{textwrap.fill(paper.citation, WIDTH, break_on_hyphens=False)}\n{paper.bibtex}"


def _declared(learner: type[Learner]) -> Iterator[str]:
    rows = [f"  {'kinds':17}  {', '.join(learner.kinds)}"]
    for name, meaning in DECLARED.items():
        value = getattr(learner, name)
        said = {True: "yes", False: "no"}[value] if isinstance(value, bool) else "depends on its options"
        rows.append(f"  {name:17}  {said:3}  {meaning}")
    yield "\n".join(["Declared, unless an option changes it:", *rows])


def _options(learner: type[Learner]) -> Iterator[str]:
    shared = {item.name for item in fields(TrainingOptions)}
    for title, common in (("Its own options (--set NAME=VALUE):", False), ("Options of every learner:", True)):
        chosen = [item for item in fields(learner.Options) if (item.name in shared) == common]
        if chosen:
            yield "\n".join([title, *option_lines(chosen)])


def _presets(learner: type[Learner]) -> Iterator[str]:
    rows = []
    for dataset, changes in learner.presets.items():
        values = ", ".join(f"{key}={value}" for key, value in changes.items())
        rows.append(textwrap.fill(f"on {dataset}: {values}", WIDTH, initial_indent="  ", subsequent_indent="    "))
    if rows:
        yield "\n".join(["Other defaults by dataset or kind of data:", *rows])
