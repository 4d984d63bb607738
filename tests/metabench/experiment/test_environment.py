import os
import sys

import numpy as np
import pytest
import torch

from metabench.errors import UsageError
from metabench.experiment.environment import choose_device, describe_environment, process_as_found


def test_whatever_changes_within_is_put_back() -> None:
    torch.manual_seed(3)
    before = torch.get_num_threads(), torch.get_rng_state(), [*sys.path], {**os.environ}

    def change() -> None:
        with process_as_found():
            torch.set_num_threads(before[0] + 1)
            torch.rand(5)
            sys.path.insert(0, "elsewhere")
            os.environ["METABENCH_TEST_NEW"] = "1"
            os.environ["PATH"] = "nowhere"
            raise KeyError

    with pytest.raises(KeyError):
        change()
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert sys.path == before[2]
    assert dict(os.environ) == before[3]


def test_the_environment_says_what_results_depend_on() -> None:
    found = describe_environment(torch.device("cpu"), "pytest", "not-installed")
    assert found["packages"]["numpy"] == np.__version__
    assert found["packages"]["pytest"] == pytest.__version__
    assert "not-installed" not in found["packages"]
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["threads"] == torch.get_num_threads()
    assert found["capability"] == torch.backends.cpu.get_cpu_capability()


def test_devices() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="--device: give 'auto', 'cpu', 'cuda'; found 'gpu'"):
        choose_device("gpu")
