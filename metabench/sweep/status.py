"""What is known of studies from outside: read from files alone, while others write them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from episodes.errors import counted
from metabench.escape import plain
from metabench.sweep.store import Known, Store

State = Literal["running", "failed", "waiting", "done"]


def describe_status(results: Path) -> str:
    """What `metabench sweep status` prints: of each study that was begun in a folder, what is done and what is not."""
    store = Store(results)
    (known, unread), parts = store.read(), []
    for plan in store.plans():
        states: dict[State, list[str]] = {state: [] for state in get_args(State)}
        for digest, title in (plan.tries | plan.runs).items():
            state, line = _state(digest, title, known, store)
            states[state].append(line)
        counts = ", ".join(f"{len(lines)} {state}" for state, lines in states.items())
        shown = [plain(line, 300) for state, lines in states.items() if state != "done" for line in lines]
        tries = f" and {len(plan.tries)} tries" if plan.tries else ""
        parts.append("\n".join([f"{plan.study}: {counted(len(plan.runs), 'runs')}{tries}, {counts}", *shown]))
    problems = [f"not read: {problem}" for problem in unread]
    return "\n\n".join([*parts, *problems]) or f"no study was begun in '{results}'"


def _state(digest: str, title: str, known: dict[str, Known], store: Store) -> tuple[State, str]:
    if digest in known or store.tried(digest):
        return "done", ""
    if store.is_claimed(digest):
        return "running", f"  running  {title}: {store.said(digest) or 'it begins'}"
    if failures := store.failures(digest):
        times = f" ({len(failures)} times)" if len(failures) > 1 else ""
        return "failed", f"  failed   {title}{times}: {failures[-1].reason}; see '{store.log(digest)}'"
    return "waiting", f"  waiting  {title}"
