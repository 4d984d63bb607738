"""The one exception of this package, and how it names what was probably meant."""

import difflib
from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot give what was asked: the message says what was asked, what was found, what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """The clause `; did you mean 'x'?` for an unknown name, or nothing when none is near."""
    matches = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{matches[0]}'?" if matches else ""
