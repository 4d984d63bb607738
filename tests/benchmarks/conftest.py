import os
from collections.abc import Iterator

import pytest
import torch

from metabench.experiment.memory import keep_freed_memory

# Beside another process's tests a time says little.
collect_ignore_glob = ["test_*.py"] if "PYTEST_XDIST_WORKER" in os.environ else []


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So that neither side's threads wait for one another on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True, scope="session")
def freed_memory_is_kept() -> None:
    """As in the process of the command line; both sides of each comparison gain."""
    keep_freed_memory()
