"""Several processes that want the same at once: one makes it, the others wait and read."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes.files.cache import cached_arrays
from tests.episodes.datasets.images.test_torchvision_sets import write_idx


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "banks"


LOAD = """
import os, sys, time
from pathlib import Path
from episodes import DataOptions, load
from episodes.datasets.images import folder, torchvision_sets

name, root, log, mine, other = sys.argv[1:]
file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def note(event, arguments):
    if event == "open" and str(arguments[0]).startswith(root):
        os.write(file, f"{arguments[0]}\\n".encode())

sys.addaudithook(note)
Path(mine).touch()
while not Path(other).exists():
    time.sleep(0.001)
dataset = load(name, DataOptions(Path(root)))
print(dataset.train.fingerprint, dataset.test.fingerprint)
"""


@pytest.mark.parametrize("name", ["folder", pytest.param("torchvision:MNIST", marks=pytest.mark.slow)])
def test_pictures_are_read_by_one_of_two_processes(own_cache: Path, tmp_path: Path, name: str) -> None:
    """Each opens its files as the interpreter itself reports it; together they open each once."""
    root = tmp_path / "pictures"
    noise = np.random.default_rng(0)
    if name == "folder":
        name = f"folder:{root}"
        for number in range(400):
            path = root / f"class{number % 8}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
    else:
        for part, count in (("train", 6000), ("t10k", 1000)):
            images = noise.integers(0, 255, (count, 28, 28), dtype=np.uint8)
            write_idx(root / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", images)
            write_idx(root / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", (np.arange(count) % 10).astype(np.uint8))
    marks, log = [str(tmp_path / "first"), str(tmp_path / "second")], tmp_path / "log"
    commands = [[sys.executable, "-c", LOAD, name, root, log, *order] for order in (marks, marks[::-1])]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    first, second = (process.communicate(timeout=120)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert first == second != ""
    files = [str(path) for path in root.rglob("*") if path.is_file()]
    assert Counter(log.read_text().splitlines()) == Counter(files)
    assert len(list(own_cache.iterdir())) == 1


MAKE = """
import os, sys, time
from pathlib import Path
import numpy as np
from episodes.files.cache import cached_arrays

def make():
    with open(sys.argv[1], "a") as log:
        print("made", file=log)
    time.sleep(float(sys.argv[2]))
    return {"numbers": np.arange(50_000)}

print("here", flush=True)
assert cached_arrays("thing", make)["numbers"][-1] == 49_999
"""


@contextmanager
def start(log: Path, seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", MAKE, str(log), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_made(log: Path) -> None:
    until = time.monotonic() + 60
    while not log.exists() and time.monotonic() < until:
        time.sleep(0.01)


def test_arrays_are_made_by_one_of_three_processes(own_cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start(log, 2) as first, start(log, 2) as second, start(log, 2) as third:
        assert [process.wait(120) for process in (first, second, third)] == [0, 0, 0]
    assert log.read_text() == "made\n"
    assert [path.name for path in own_cache.iterdir()] == ["thing.npz"]


def test_when_the_one_that_makes_is_killed_the_one_that_waits_makes(own_cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with start(log, 600) as first:
        wait_until_made(log)
        with start(log, 0) as second:
            assert second.stdout
            assert second.stdout.readline() == "here\n"
            time.sleep(0.5)
            assert second.poll() is None
            assert log.read_text() == "made\n"
            first.kill()
            assert second.wait(60) == 0
    assert log.read_text() == "made\nmade\n"
    assert [path.name for path in own_cache.iterdir()] == ["thing.npz"]


def test_the_lock_of_a_killed_process_is_none(own_cache: Path, tmp_path: Path) -> None:
    with start(tmp_path / "log", 600) as first:
        wait_until_made(tmp_path / "log")
        first.kill()
    assert [path.name for path in own_cache.iterdir()] == [".thing.npz.lock"]
    assert "numbers" in cached_arrays("thing", lambda: {"numbers": np.arange(3)})
    assert [path.name for path in own_cache.iterdir()] == ["thing.npz"]


def test_one_that_fails_leaves_it_to_the_next(own_cache: Path) -> None:
    def fail() -> dict[str, np.ndarray]:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        cached_arrays("thing", fail)
    assert list(own_cache.iterdir()) == []
    assert "numbers" in cached_arrays("thing", lambda: {"numbers": np.arange(3)})
