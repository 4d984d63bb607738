"""Signals that ask a run to stop: Ctrl-C, SIGTERM (SLURM, docker, systemd) and SIGHUP (a terminal that closes)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, ClassVar

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last
PATIENCE = 2.0  # seconds that a step may take to its end


class Stop:
    """Within it, a signal ends what is done by KeyboardInterrupt, whose text says which; further ones are ignored.

    Within `graceful` the first one is only noted, so that a step is finished and its checkpoint written; a second one,
    or a step that takes longer than `PATIENCE`, ends it at once. Only the main thread can handle signals: elsewhere,
    nothing is changed. At the end signals do what they did before.
    """

    _outer: ClassVar[Stop | None] = None

    def __init__(self) -> None:
        self.asked = ""
        self._depth = 0
        self._patient = self._over = False
        self._before: dict[int, Any] = {}
        self._alarm_before: tuple[Any, tuple[float, float]] | None = None

    def __enter__(self) -> Stop:
        if threading.current_thread() is not threading.main_thread():
            return Stop._outer or self
        if Stop._outer:  # signals are handled once, until the outermost ends
            Stop._outer._depth += 1
            return Stop._outer
        Stop._outer, self._depth = self, 1
        for name in NAMES:
            if number := getattr(signal, name, None):
                self._before[number] = signal.getsignal(number)
                # SIGHUP under nohup stays ignored; SIGINT, which a script's `&` ignores, is a wish all the same.
                if name == "SIGINT" or self._before[number] is not signal.SIG_IGN:
                    signal.signal(number, self._handle)
        return self

    def __exit__(self, *error: object) -> None:
        outer = Stop._outer
        if outer is None or threading.current_thread() is not threading.main_thread():
            return
        outer._depth -= 1
        if outer._depth:
            return
        Stop._outer = None
        outer._disarm()
        for number, before in outer._before.items():
            signal.signal(number, before)
        outer._before.clear()

    @contextmanager
    def graceful(self) -> Iterator[Stop]:
        """See the class; for a loop that looks at `asked` after each step."""
        with self as outer:
            outer._patient = True
            try:
                yield outer
            except BaseException:
                outer._over |= bool(outer.asked)  # what the first one led to is not to be cut short by a further one
                raise
            finally:
                outer._disarm()
                outer._patient = False
            if outer.asked and not outer._over:  # after the loop last looked
                outer._over = True
                raise KeyboardInterrupt(outer.asked)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._over:
            return
        first, self.asked = not self.asked, self.asked or self._said(number)
        if self._patient and first:
            self._arm()
            return
        self._over = True
        raise KeyboardInterrupt(self.asked)

    def _arm(self) -> None:
        """Call the handler again after `PATIENCE`, where the system has such a clock."""
        if hasattr(signal, "setitimer"):
            self._alarm_before = signal.signal(signal.SIGALRM, self._handle), signal.getitimer(signal.ITIMER_REAL)
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def _disarm(self) -> None:
        """Give the clock back to whoever had set it."""
        if self._alarm_before:
            handler, timer = self._alarm_before
            self._alarm_before = None
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
            signal.setitimer(signal.ITIMER_REAL, *timer)

    @staticmethod
    def _said(number: int) -> str:
        return "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
