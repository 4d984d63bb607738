"""Tasks and queries for a terminal: in its width, wrong predictions marked by a sign and, where it has any, colour."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from metabench.escape import cells, shortened
from metabench.records.shown import Piece, ShownClass, ShownQuery, ShownTask, Text

NARROWEST = 40  # columns; what a narrower terminal has no room for goes on in its next line
LINES = 3  # of a text
WRONG = "\N{MULTIPLICATION SIGN}"
BOLD, DIM, UNDERLINED, RED, GREEN = "1", "2", "4", "31", "32"
CONFIDENCE = 7  # columns of one, `100.0%` and a space


@dataclass(frozen=True)
class Terminal:
    """How it is written.

    Attributes:
        columns: at most in a line.
        colour: whether there are colours, and other orders to a terminal.
        lines: of a text, at most; None for all that it takes.
    """

    columns: int = 80
    colour: bool = False
    lines: int | None = LINES

    def styled(self, text: str, *styles: str) -> str:
        return f"\x1b[{';'.join(styles)}m{text}\x1b[0m" if self.colour and styles and text else text

    def indented(self, text: Text, before: str, width: int) -> str:
        """A text behind what its first line begins with, which takes `width` columns; further lines are indented."""
        room = max(NARROWEST, self.columns) - width
        return f"\n{' ' * width}".join(
            (before if number == 0 else "") + line for number, line in enumerate(self._lines(text, room))
        )

    def _lines(self, text: Text, columns: int) -> Iterator[str]:
        """The text in lines, its spans in brackets with their labels, and underlined."""
        pieces = [_labelled(piece) for piece in text]
        whole = "".join(piece.text for piece in pieces)
        spans = list(wrapped(whole, columns))
        last = len(spans) if self.lines is None else self.lines
        for number, (start, end) in enumerate(spans[:last]):
            if number + 1 == last < len(spans):
                # What is left, but for the ellipsis at the end of the last line.
                end = start + len(shortened(whole[start:], columns)) - 1
                yield self._styled(pieces, start, end) + "\N{HORIZONTAL ELLIPSIS}"
            else:
                yield self._styled(pieces, start, end)

    def _styled(self, pieces: Sequence[Piece], start: int, end: int) -> str:
        made, place = [], 0
        for piece in pieces:
            part = piece.text[max(0, start - place) : max(0, end - place)]
            made.append(self.styled(part, *[UNDERLINED] * bool(piece.labels)))
            place += len(piece.text)
        return "".join(made)


PRINTED = Terminal()


def task_text(task: ShownTask, terminal: Terminal) -> str:
    """A task: its classes with their support, and their queries with what was predicted for them."""
    queries = [query for each in task.classes for query in each.queries if query.right is not None]
    width = min(max((cells(query.prediction or "") for query in queries), default=0), max(12, terminal.columns // 4))
    parts = [terminal.styled(shortened(task.title, max(NARROWEST, terminal.columns)), BOLD)]
    parts += ["\n".join(_class(each, terminal, width)) for each in task.classes]
    if task.more_classes:
        parts.append(f"and {task.more_classes:,} more classes")
    if task.unlabelled:
        parts.append("\n".join(_list("unlabelled", task.unlabelled, task.more_unlabelled, terminal)))
    if queries:
        parts.append(terminal.styled(f"{WRONG} is wrong, % the confidence", DIM))
    return "\n\n".join(parts)


def wrapped(text: str, columns: int) -> Iterator[tuple[int, int]]:
    """Where the lines of a text begin and end: between words, or within one that is longer than a line."""
    start, length = 0, len(text)
    while start < length:
        if text[start] == " ":
            start += 1
            continue
        end, used = start, 0
        while end < length and (used := used + cells(text[end])) <= columns:
            end += 1
        if end == length:
            yield start, end
            return
        space = text.rfind(" ", start, end + 1)
        end = space if space > 0 else max(end, start + 1)
        yield start, end
        start = end


def _class(shown: ShownClass, terminal: Terminal, width: int) -> Iterator[str]:
    yield terminal.styled(shortened(shown.name, max(NARROWEST, terminal.columns)), BOLD)
    yield from _list("support", shown.support, shown.more_support, terminal)
    yield terminal.styled("  queries" if shown.queries else "  no queries", DIM)
    for query in shown.queries:
        before, taken = _predicted(query, terminal, width)
        yield terminal.indented(query.text, before, taken)
        if query.missed:
            yield terminal.indented(_listed(query.missed), f"    {terminal.styled('missed', DIM)} ", 11)
    if shown.more_queries:
        yield f"    and {shown.more_queries:,} more"


def _list(title: str, texts: Sequence[Text], more: int, terminal: Terminal) -> Iterator[str]:
    yield terminal.styled(f"  {title}", DIM)
    for text in texts:
        yield terminal.indented(text, "    ", 4)
    if more:
        yield f"    and {more:,} more"


def _listed(missed: Text) -> Text:
    return tuple(part for piece in missed for part in (Piece(text=", "), piece))[1:]


def _predicted(query: ShownQuery, terminal: Terminal, width: int) -> tuple[str, int]:
    """What stands before a query's text, and how many columns it takes."""
    if query.right is None:
        return "    ", 4
    colour, sign = (GREEN, " ") if query.right else (RED, WRONG)
    if query.prediction is None or query.confidence is None:
        return f"  {terminal.styled(sign, colour)} ", 4
    name = padded(shortened(query.prediction, width), width)
    said = terminal.styled(f"{sign} {name}", colour) + f"{query.confidence:{CONFIDENCE}.1%}"
    return f"  {said}  ", 2 + 2 + width + CONFIDENCE + 2


def padded(text: str, columns: int, right: bool = False) -> str:
    """With spaces behind it, or before, to so many columns."""
    spaces = " " * (columns - cells(text))
    return spaces + text if right else text + spaces


def _labelled(piece: Piece) -> Piece:
    if not piece.labels:
        return piece
    return Piece(text=f"[{' '.join(piece.labels)}: {piece.text}]", labels=piece.labels)
