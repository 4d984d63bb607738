"""Freed memory stays with the process: taken again, it costs no page fault."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from metabench.experiment.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
for _ in range(6):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    array = np.ones(100 * 2**20, dtype=np.uint8)
    del array
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="needs glibc")
def test_freed_memory_is_kept() -> None:
    def faults(way: str) -> int:
        command = [sys.executable, "-c", FAULTS, way]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    assert faults("keep") < 50 < faults("give back")
