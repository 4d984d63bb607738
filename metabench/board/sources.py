"""Where the learners of a leaderboard come from: papers with BibTeX, and code, by their own metadata."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint
from typing import Any

from episodes.plugins import entries_of
from metabench.errors import UsageError
from metabench.escape import plain

CODE_LABELS = ("source", "source code", "repository", "code", "homepage")  # of a package's addresses, the best first


def sources(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Of those names that are registered learners: family, papers and code, as JSON takes them.

    A record can only name a learner: `package.module:Class` and other packages' methods are not imported for it, and a
    plug-in that cannot be imported has no source.
    """
    from metabench.registry import LEARNERS, get_learner  # with torch, which nothing but the page waits for

    registered = {entry.name: entry for entry in entries_of(LEARNERS)}
    found = {}
    for name in dict.fromkeys(names):
        if name not in registered:
            continue
        try:
            source = get_learner(name).source
        except UsageError:
            continue
        papers = [
            {"short": plain(paper.short), "citation": plain(paper.citation), "url": web(paper.url)}
            for paper in source.papers
        ]
        found[name] = {
            "family": plain(source.family),
            "wraps": plain(source.wraps),
            "papers": papers,
            "bibtex": "\n\n".join(paper.bibtex for paper in source.papers),
            "code": plain(registered[name].value),
            "codeUrl": _address(registered[name]),
        }
    return found


def web(url: str) -> str:
    """The address, if a page may link to it; else nothing."""
    return url if url.startswith("https://") and url.isprintable() and " " not in url else ""


def _address(entry: EntryPoint) -> str:
    """Of the code of the package that registers it, by what the package says of itself; empty where it says nothing."""
    if entry.dist is None:
        return ""
    stated = [line.partition(", ") for line in entry.dist.metadata.get_all("Project-URL") or []]
    by_label = {label.strip().lower(): url.strip() for label, _, url in stated}
    by_label.setdefault("homepage", str(entry.dist.metadata.json.get("home_page", "")).strip())
    return next((web(by_label[label]) for label in CODE_LABELS if web(by_label.get(label, ""))), "")
