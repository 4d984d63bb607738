"""Real processes that are the ranks of one run, as torchrun starts them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT

CLI = "from metabench.cli.main import main; main()"


def start(folder: Path, count: int, *words: str, code: str = CLI) -> list[subprocess.Popen[str]]:
    """So many processes of a program, each of which knows the others, with their standard streams."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"PYTHONPATH": f"{PROJECT}:{folder}", "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(count)}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=folder,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(count)
    ]


def end(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """The exit code, standard output and standard error of each."""
    try:
        said = [process.communicate(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *each) for process, each in zip(processes, said, strict=True)]
