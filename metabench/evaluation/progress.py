"""What long work says while it runs: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm import tqdm

EVERY = 60.0  # seconds between lines where there is no terminal
LONG = 600.0  # seconds of work that are worth a word beforehand
WARM = 3  # steps, or more at once, before their time is known
SHORTER = {"step": "fewer --steps, ", "task": "fewer --episodes, "}


class Progress:
    """Within it, progress of one piece of work goes to standard error.

    Args:
        name: of a stage of training, or of what else it is.
        done: what is done at the start, as of a stage that was taken up again.
        whole: all that there is to do.
        unit: that it is counted in.
    """

    def __init__(self, name: str, done: int, whole: int, unit: str = "step") -> None:
        self.name, self.first, self.done, self.whole, self.unit = name, done, done, whole, unit
        self.bar: Any = tqdm(total=whole, initial=done, desc=name, unit=unit, disable=None)
        self.started = self.said = time.perf_counter()
        self.facts = ""
        self.foretold = False

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self.bar.close()

    def step(self, count: int = 1) -> None:
        """So many more are done."""
        self.done += count
        self.bar.update(count)
        now = time.perf_counter()
        taken = self.done - self.first
        left = (now - self.started) / taken * (self.whole - self.done)
        if not self.foretold and taken >= WARM:
            self.foretold = True
            if left > LONG:
                each, fewer = (now - self.started) / taken, SHORTER.get(self.unit, "")
                self.say(
                    f"'{self.name}' takes about {spoken(left)} ({each:.2g} s per {self.unit}); {fewer}a smaller "
                    "--backbone or --image-size, more --threads or a GPU make it shorter"
                )
        if self.bar.disable and now - self.said > EVERY:
            self.said = now
            self.say(f"{self.name}: {self.unit} {self.done} of {self.whole}{self.facts}, about {spoken(left)} left")

    def validated(self, loss: float, score: str) -> None:
        """What the last validation gave."""
        self.facts = f", loss {loss:.3f}, validation {score}"
        self.bar.set_postfix(loss=f"{loss:.3f}", validation=score)

    def say(self, text: str) -> None:
        tqdm.write(f"metabench: {text}", file=sys.stderr)


def spoken(seconds: float | None) -> str:
    """`40 s`, `12 min` or `20 hours`; `?` where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.0f} hours"
