"""Text of records and plug-ins, made harmless where it is shown: it may come from anyone.

HTML needs nothing from here: the page's template escapes, and its script writes text, never markup.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 500  # characters of a record's text that a table shows
_FORMULA = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
_FORMULAS = re.compile(rf"(^|;)(?=\s*[{re.escape(_FORMULA)}])")
_MARKDOWN = {character: "\\" + character for character in "#`*_~[]!$"}
_MARKDOWN |= {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "\\": "&#92;", "@": "&#64;"}


def plain(text: str, longest: int = LONGEST) -> str:
    """Without control characters, which a terminal obeys, and those that reorder what is read; not too long.

    Line breaks and tabs become spaces, the others a replacement character.
    """
    if text.isprintable() and len(text) <= longest:
        return text
    spaced = re.sub(r"[\t\n\r\v\f]+", " ", text[: longest + 1])
    cut = spaced if len(text) <= longest else spaced[:longest] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join("\N{REPLACEMENT CHARACTER}" if _disturbs(character) else character for character in cut)


def is_plain(text: str) -> bool:
    """Whether `plain` leaves it as it is."""
    return plain(text, len(text)) == text


def csv_cell(text: str) -> str:
    """Plain, and with an apostrophe before what a spreadsheet would take for a formula and compute.

    Also behind a semicolon, where in many countries' settings it begins a new cell.
    """
    return _FORMULAS.sub(r"\1'", plain(text))


def markdown_cell(text: str) -> str:
    """Plain, and with nothing in it that Markdown takes for markup, a link, or the end of the cell."""
    escaped = "".join(_MARKDOWN.get(character, character) for character in plain(text))
    return re.sub(r"://|(?i:www)\.", lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", escaped)


def _disturbs(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
