"""Plug-ins by name: entry points of installed packages, those that ship included, or `package.module:name`.

Listing the names imports none of them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from episodes.errors import DataError, nearest


def plugin_names(group: str) -> list[str]:
    """The registered names of an entry-point group, sorted."""
    return sorted({entry.name for entry in entries_of(group)})


def entries_of(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of a group; read again where a folder of `sys.path` has changed, since reading takes 14 ms."""
    return _entries(group, tuple((place, _changed(place)) for place in sys.path))


@lru_cache(maxsize=64)
def _entries(group: str, _: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _changed(place: str) -> int:
    try:
        return Path(place).stat().st_mtime_ns
    except OSError:
        return 0


def describe_error(error: BaseException) -> str:
    """What an import raised, in one line."""
    text = " ".join(str(error).split())[:300]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def plugin_faults(what: str, plugin: Any, refusal: type[Exception] = DataError) -> Iterator[None]:
    """Within it, whatever a plug-in of another package raises is one line. Errors of ours stay as they are.

    Args:
        what: the plug-in, in messages: `dataset 'mine:pictures'`.
        plugin: what is called: a module, a function or an object.
        refusal: the error to raise.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, MemoryError) or _is_ours(type(error).__module__) or _is_ours(_module_of(plugin)):
            raise
        raise refusal(f"{what} failed: {describe_error(error)} (METABENCH_TRACEBACK=1 shows the traceback)") from error


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in ("episodes", "metabench", "baselines")


def _module_of(plugin: Any) -> str:
    return str(plugin.__name__ if isinstance(plugin, ModuleType) else plugin.__module__)


def load_plugin(
    group: str,
    noun: str,
    name: str,
    refusal: type[Exception] = DataError,
    describe: Callable[[BaseException], str] = describe_error,
) -> tuple[Any, str]:
    """What is registered under a name, or what `package.module:name` names.

    Args:
        group: of entry points, e.g. `episodes.datasets`.
        noun: for messages: `dataset`, `learner` or `backbone`.
        name: as the user gave it.
        refusal: the error to raise.
        describe: says in one line what an import raised.

    Returns:
        The object, and its name in messages.

    Raises:
        refusal: a name that is unknown or registered twice, or a plug-in that cannot be imported.
    """
    if ":" in name:
        if str(Path.cwd()) not in sys.path and "" not in sys.path:
            sys.path.insert(0, str(Path.cwd()))  # a module beside the user, as `python -m` would find it
        entry, what = EntryPoint(name, name, group), f"{noun} '{name}'"
    else:
        entry, owner = _registered(group, noun, name, refusal)
        what = f"{noun} '{name}' of package '{owner}'"
    module, _, attribute = entry.value.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # a plug-in's module may raise anything, or end the program
        misspelt = isinstance(error, ModuleNotFoundError) and error.name == module
        meant = nearest(module, plugin_names(group)) if misspelt else ""
        raise refusal(f"{what} cannot be imported: {describe(error)}{meant or '; fix or uninstall it'}") from error
    return found, what


def _registered(group: str, noun: str, name: str, refusal: type[Exception]) -> tuple[EntryPoint, str]:
    entries = [entry for entry in entries_of(group) if entry.name == name]
    found = list({(entry.value, _owner(entry)): (entry, _owner(entry)) for entry in entries}.values())
    if not found:
        advice = nearest(name, plugin_names(group)) or (
            f"; `metabench list {noun}s` shows all (an editable install sees a new entry point once it is installed "
            "again; package.module:name needs none)"
        )
        raise refusal(f"there is no {noun} '{name}'{advice}")
    if len(found) > 1:
        owners = ", ".join(sorted(f"{entry.value} of {owner}" for entry, owner in found))
        raise refusal(f"{noun} '{name}' is registered more than once ({owners}); name one as package.module:name")
    return found[0]


def _owner(entry: EntryPoint) -> str:
    return _name(entry.dist) if entry.dist else "?"


@lru_cache(maxsize=256)
def _name(package: Distribution) -> str:
    """Its name, for which its metadata are read: 5 ms each, of which looking up one run took dozens."""
    return package.name
