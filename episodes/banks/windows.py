"""Long texts as overlapping windows in which each word is looked at once, where it has most context."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Some words of a text, which a network reads together.

    Attributes:
        first, last: the words that are read: from `first` to before `last`.
        own_first, own_last: those of them that this window stands for, likewise.
    """

    first: int
    last: int
    own_first: int
    own_last: int


def windows(pieces: NDArray[np.int64], room: int, stride: int) -> list[Window]:
    """Cut a text so that no window has more pieces than there is room for.

    A window begins about `stride` pieces after the one before, and never leaves a gap. Where two overlap, words up to
    the middle of what they share are the first one's: there each word has the most context on its poorer side (Devlin
    et al. 2019, whose code for SQuAD calls it "max context"). So every word is some window's own, and no other's.

    Args:
        pieces: how many each word has, `[words]`, at least 1 each; one of more than `room` counts as `room`.
        room: pieces in a window, at least 1.
        stride: at least 1.
    """
    offsets = np.concatenate([[0], np.cumsum(np.minimum(pieces, room))])
    words, starts = len(pieces), [0]
    ends: list[int] = []
    while True:
        first = starts[-1]
        reached = int(np.searchsorted(offsets, offsets[first] + room, side="right")) - 1
        if ends and reached == ends[-1]:  # a long word follows: what begins a little later reaches it
            starts[-1] += 1
            continue
        ends.append(reached)
        if reached >= words:
            break
        later = int(np.searchsorted(offsets, offsets[first] + stride))
        starts.append(min(max(later, first + 1), reached))
    middles = [(start + end) // 2 for start, end in zip(starts[1:], ends[:-1], strict=True)]
    edges = [0, *middles, words]
    return [Window(*parts) for parts in zip(starts, ends, edges[:-1], edges[1:], strict=True)]
