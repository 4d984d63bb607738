"""How a process of metabench's own takes memory from the system."""

from __future__ import annotations

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4  # of malloc.h
LARGEST = 2**31 - 1
STEP = 64 * 2**20  # bytes


def keep_freed_memory() -> None:
    """Let glibc keep what is freed for the next allocation, where it would give it back to the system.

    A training step frees and takes the same hundreds of megabytes again and again, and the system clears every page
    before it lends it anew: that is a tenth to a third of the time. Elsewhere than on glibc nothing changes.
    """
    if sys.platform != "linux":
        return
    program = ctypes.CDLL(None)
    if hasattr(program, "gnu_get_libc_version"):
        for parameter, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, LARGEST), (M_TOP_PAD, STEP)):
            program.mallopt(parameter, value)
