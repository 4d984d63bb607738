"""Learners by name, through the entry-point group `metabench.learners`. Listing imports nothing."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from episodes.errors import nearest
from metabench.errors import UsageError
from metabench.learner import EmbeddingLearner, Learner

GROUP = "metabench.learners"


def learner_names() -> list[str]:
    """The registered names, sorted."""
    return sorted({entry.name for entry in entry_points(group=GROUP)})


def get_learner(name: str) -> type[Learner]:
    """The learner class of a registered name, or of `package.module:Class`.

    Raises:
        UsageError: unknown or twice registered name, or a plug-in that cannot be imported or is no Learner.
    """
    if ":" in name:
        if str(Path.cwd()) not in sys.path and "" not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # a module beside the user, as `python -m` would find it
        return _load(EntryPoint(name, name, GROUP), f"learner '{name}'")
    entries = {(entry.value, entry.dist.name if entry.dist else "?"): entry for entry in entry_points(group=GROUP)}
    found = [(entry, owner) for (_, owner), entry in entries.items() if entry.name == name]
    if not found:
        raise UsageError(
            f"there is no learner '{name}'{nearest(name, learner_names())}; `metabench list learners` shows all "
            "(an editable install sees a new entry point once it is installed again; package.module:Class needs none)"
        )
    if len(found) > 1:
        owners = ", ".join(sorted(f"{entry.value} of {owner}" for entry, owner in found))
        raise UsageError(f"learner '{name}' is registered more than once ({owners}); name one as package.module:Class")
    entry, owner = found[0]
    return _load(entry, f"learner '{name}' of package '{owner}'")


def _load(entry: EntryPoint, what: str) -> type[Learner]:
    module, _, attribute = entry.value.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # a plug-in's module may raise anything
        raise UsageError(f"{what} cannot be imported: {type(error).__name__}: {error}; mend or uninstall it") from error
    if not (isinstance(found, type) and issubclass(found, Learner)) or found in (Learner, EmbeddingLearner):
        raise UsageError(f"{what} is {entry.value}, which is not a subclass of metabench.learner.Learner")
    return found
