"""The one exception of this package, and what its messages have in common."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot give what was asked: the message says what was asked, what was found, what to do."""


def counted(count: int, noun: str) -> str:
    """`1 image`, `2 images`, of the plural."""
    return f"{count:,} {noun.removesuffix('es' if noun.endswith('sses') else 's') if count == 1 else noun}"


def readable(name: str) -> str:
    """The name, with bytes that are not UTF-8 as escapes; another than the name if it has any."""
    return name.encode("utf-8", "backslashreplace").decode()


def nearest(name: str, known: Iterable[str]) -> str:
    """The clause `; did you mean 'x'?` for an unknown name, or nothing when none is near."""
    found = _nearest(name, known)
    return f"; did you mean '{found}'?" if found else ""


def renamed(name: str, known: Iterable[str]) -> str:
    """The clause `; rename 'x' to 'name'` for what is missing in a file, or nothing when none is near."""
    found = _nearest(name, known)
    return f"; rename '{found}' to '{name}'" if found else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    """Whatever the case, in which people often err."""
    spelt: dict[str, str] = {}
    for each in known:
        spelt.setdefault(each.lower(), each)
    found = difflib.get_close_matches(name.lower(), list(spelt), n=1, cutoff=0.5)
    return spelt[found[0]] if found else ""
