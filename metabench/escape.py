"""Text of records, plug-ins and data, made harmless where it is shown: it may come from anyone.

HTML needs no escaping from here: its templates escape, and the page's script writes text, never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata

LONGEST = 500  # characters of a record's text that a table shows
MOST_MARKS = 4  # combining characters on one letter: more than any script needs, and a flood covers the lines around
MOST_READ = 8  # times the characters that are shown: a flood of others is not read to its end
_REPLACED = "\N{REPLACEMENT CHARACTER}"
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"
_FORMULA = "=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{FULLWIDTH COMMERCIAL AT}"
_FORMULAS = re.compile(rf"(^|;)(?=\s*[{re.escape(_FORMULA)}])")
_LATEX = {character: "\\" + character for character in "#$%&_{}"}
_LATEX |= {"\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", '"': "{''}"}
_LATEX |= {"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", "`": "\\textasciigrave{}"}
_LATEX |= {"\N{HORIZONTAL ELLIPSIS}": "\\ldots{}"}
_LATEX_ACCENTS = "\u0300\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c\u0327"
_LATEX_LETTERS = "ßæøœłÆØŒŁ"
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
    return "".join(_REPLACED if _disturbs(character) else character for character in cut)


def readable(text: str, longest: int = LONGEST) -> str:
    """Plain, for texts that people wrote.

    What joins or parts two letters of a script that is not Latin, or two emoji, stays. Of combining characters in a
    row there are at most `MOST_MARKS`, and of those that are replaced one.
    """
    if text.isascii() and text.isprintable() and len(text) <= longest:
        return text
    shown = re.sub(r"[\t\n\r\v\f]+", " ", text[: MOST_READ * (longest + 1)])
    kept: list[str] = []
    marks = 0
    for place, character in enumerate(shown):
        if character not in _JOINERS:
            marks = marks + 1 if _combines(character) else 0
        if character in _JOINERS:
            kept += [character] if _joins(shown, place) else []
        elif _disturbs(character):
            kept += [] if kept[-1:] == [_REPLACED] else [_REPLACED]
        elif marks <= MOST_MARKS:
            kept.append(character)
        if len(kept) > longest:
            break
    cut = len(kept) > longest or len(text) > MOST_READ * (longest + 1)
    return "".join(kept[:longest]) + "\N{HORIZONTAL ELLIPSIS}" * cut


def cells(text: str) -> int:
    """How many columns of a terminal it takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def shortened(text: str, columns: int) -> str:
    """At most so many columns of a terminal, an ellipsis the last of them where something is cut."""
    if cells(text) <= columns:
        return text
    taken, left = [], columns - 1
    for character in text:
        left -= _cells(character)
        if left < 0:
            break
        taken.append(character)
    return "".join(taken).rstrip() + "\N{HORIZONTAL ELLIPSIS}"


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


def latex_text(text: str) -> str:
    """Plain, and with nothing in it that LaTeX takes for a command, or has no glyph for in its usual encoding.

    Of letters beyond ASCII those with an accent stay that LaTeX composes itself; what else there is becomes `?`.
    """
    escaped = "".join(_LATEX.get(character, _in_latex(character)) for character in plain(text))
    return re.sub("-(?=-)", "-{}", escaped)  # two are a dash


def embedded_json(content: object) -> str:
    """JSON in one line that no reader of HTML takes for markup, wherever in a script element it stands."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def policy_digest(text: str) -> str:
    """What allows a script or a style sheet with that text in a page's Content-Security-Policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _cells(character: str) -> int:
    if _combines(character) or character in _JOINERS:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _in_latex(character: str) -> str:
    parts = unicodedata.normalize("NFD", character)
    composed = len(parts) == 2 and parts[0].isascii() and parts[1] in _LATEX_ACCENTS
    return character if character.isascii() or composed or character in _LATEX_LETTERS else "?"


def _combines(character: str) -> bool:
    return unicodedata.category(character) in ("Mn", "Me")


def _joins(text: str, place: int) -> bool:
    """Whether the joiner at that place is between two characters that it may be between."""
    around = (text[place - 1] if place else " ", text[place + 1] if place + 1 < len(text) else " ")
    return not any(each.isascii() or each.isspace() or each in _JOINERS or _disturbs(each) for each in around)


def _disturbs(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
