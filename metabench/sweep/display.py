"""What a sweep says while it works: a line for each running cell and a bar, or lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from metabench.escape import plain
from metabench.evaluation.progress import spoken
from metabench.sweep.cells import Cell
from metabench.sweep.engine import Event
from metabench.sweep.estimate import total

MOST_ROWS = 20  # of running cells on a terminal
EVERY = 60.0  # seconds between lines on what is running, where there is no terminal


class Display:
    """Within it, events are shown on standard error.

    Args:
        workers: how many at once.
    """

    def __init__(self, workers: int) -> None:
        self.workers, self.left, self.cells, self.ahead = workers, dict[str, float | None](), 0, 0
        self.began: dict[str, float] = {}
        self.took: list[tuple[float, float | None]] = []  # seconds, and what they were estimated
        self.lines: dict[str, tuple[Cell, str]] = {}
        layout = "{desc} |{bar}| {n_fmt} of {total_fmt}, {elapsed}{postfix}"
        self.bar: Any = tqdm(total=0, desc="sweep", bar_format=layout, disable=None)
        places = 0 if self.bar.disable else min(workers, MOST_ROWS)
        self.rows: list[Any] = [tqdm(bar_format="{desc}", position=place + 1, leave=False) for place in range(places)]
        self.said = time.monotonic()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *error: object) -> None:
        for row in (*reversed(self.rows), self.bar):
            row.close()

    def expect(self, estimates: Mapping[str, float | None], ahead: int) -> None:
        """More cells are to be made.

        Args:
            estimates: seconds by digest, where they can be told.
            ahead: how many others will come after them.
        """
        self.left |= estimates
        self.ahead = ahead
        self.cells = self.bar.total = len(self.took) + len(self.left) + ahead

    def show(self, event: Event) -> None:
        """One more event."""
        digest, title = event.cell.digest, event.cell.title
        if event.kind in ("started", "working"):
            if event.kind == "started":
                self.began[digest] = time.monotonic()
            self.lines[digest] = event.cell, event.text
        else:
            self.lines.pop(digest, None)
        if event.kind in ("done", "failed"):
            seconds = time.monotonic() - self.began.pop(digest, time.monotonic())
            self.took.append((seconds, self.left.pop(digest, None)))
            self.bar.update()
            reason = f": {event.text}" if event.text else f" in {spoken(seconds)}"
            self._say(f"{event.kind}  {title}{reason}")
        elif event.kind in ("retried", "elsewhere"):
            text = "is made by another process" if event.kind == "elsewhere" else f"is tried again: {event.text}"
            self._say(f"{title} {text}")
        self._draw()

    def time_left(self) -> float | None:
        """Seconds, told from estimates; those are corrected by what finished cells took, where there are any."""
        told = [(took, estimate) for took, estimate in self.took if estimate]
        factor = sum(took for took, _ in told) / sum(estimate for _, estimate in told) if told else 1.0
        mean = sum(took for took, _ in self.took) / len(self.took) if self.took else None
        now, left = time.monotonic(), {}
        for digest, estimate in self.left.items():
            whole = estimate * factor if estimate is not None else mean
            gone = now - self.began[digest] if digest in self.began else 0.0
            left[digest] = max(0.0, whole - gone) if whole is not None else None
        left |= {f"ahead {number}": mean for number in range(self.ahead)}
        return total(left, self.workers)

    def _draw(self) -> None:
        if not self.bar.disable:
            self.bar.set_postfix_str(f"about {spoken(self.time_left())} left")
            for row, (cell, text) in zip(self.rows, self.lines.values(), strict=False):
                row.set_description_str(plain(f"  {cell.title}: {text}", row.ncols or 200)[: row.ncols])
            for row in self.rows[len(self.lines) :]:
                row.set_description_str("")
        elif time.monotonic() - self.said > EVERY and self.left:
            self.said = time.monotonic()
            for cell, text in self.lines.values():
                self._say(f"running  {cell.title}: {text}")
            self._say(f"{len(self.took)} of {self.cells}, about {spoken(self.time_left())} left")

    def _say(self, text: str) -> None:
        tqdm.write(f"metabench: {plain(text, 300)}", file=sys.stderr)
