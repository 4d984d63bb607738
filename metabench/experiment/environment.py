"""The machine and the versions a run happened on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from metabench import ranks
from metabench.errors import UsageError
from metabench.escape import plain

DEVICES = ("auto", "cpu", "cuda")


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`; each rank on a machine has a GPU of its own.

    Raises:
        UsageError: another name, or a GPU was asked for and none is there, or fewer than ranks.
    """
    if name not in DEVICES:
        raise UsageError(f"--device: give {', '.join(map(repr, DEVICES))}; found {plain(repr(name), 100)}")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda asks for a GPU, but torch finds none; use --device cpu or auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu" or ranks.count() == 1:
        return torch.device(name)
    gpus, place = torch.cuda.device_count(), ranks.local()
    if place >= gpus:
        raise UsageError(
            f"--device {name}: process {place + 1} of this machine has no GPU, as torch finds {gpus}; start at most "
            f"{gpus} processes (torchrun --nproc-per-node {gpus}), or use --device cpu"
        )
    return torch.device(name, place)


@contextmanager
def process_as_found() -> Iterator[None]:
    """Within it torch's threads and random state, `sys.path` and the environment may change: they are put back."""
    threads, random_state, path, environ = torch.get_num_threads(), torch.get_rng_state(), [*sys.path], {**os.environ}
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_rng_state(random_state)
        sys.path[:] = path
        for name in {**os.environ, **environ}:
            if name not in environ:
                del os.environ[name]
            elif os.environ.get(name) != environ[name]:
                os.environ[name] = environ[name]


def describe_environment(device: torch.device, *others: str) -> dict[str, Any]:
    """Versions, platform, device, that of each rank, processor, threads and, in a git checkout, the commit.

    `capability` is the vector instructions that torch's kernels use; on another processor they round differently.

    Args:
        device: that the work was done on.
        others: packages whose version is given, too, where they are installed.
    """
    packages = {
        name: importlib.metadata.version(name) for name in ("metabench", "torchvision", "numpy", "scipy", "pandas")
    }
    for name in others:
        with suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "python": platform.python_version(),
        "packages": {"torch": torch.__version__, **packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "device": name,
        "ranks": ranks.gathered(name),
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "commit": _commit(),
    }


def _processor() -> str:
    """The model's name; the architecture alone where the system does not tell."""
    try:
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except (OSError, subprocess.SubprocessError):
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return next(filter(None, models), platform.processor() or platform.machine())


def _commit() -> str | None:
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--match="]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
