import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank
from episodes.bank_cache import cached_dataset


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "banks"


def must_not_be_made() -> Dataset:
    raise AssertionError("made anew, though it is cached")


def test_what_is_read_is_what_was_made(own_cache: Path, toy: Dataset) -> None:
    cached_dataset("toy", "k1", lambda: toy)
    read = cached_dataset("toy", "k1", must_not_be_made)
    assert (read.name, read.split) == (toy.name, toy.split)
    for part in ("train", "validation", "test"):
        first, second = getattr(toy, part), getattr(read, part)
        assert torch.equal(first.images, second.images)
        assert (first.name, first.class_names, first.class_sizes, first.groups) == (
            *(second.name, second.class_names, second.class_sizes, second.groups),
        )
        recomputed = ImageBank(second.name, second.images, second.class_names, second.class_sizes, second.groups)
        assert first.fingerprint == second.fingerprint == recomputed.fingerprint
    assert [path.name for path in own_cache.iterdir()] == ["toy-k1.safetensors"]


@pytest.mark.parametrize("damage", ["cut short", "emptied", "overwritten"])
def test_a_damaged_file_is_made_anew(own_cache: Path, toy: Dataset, damage: str) -> None:
    cached_dataset("toy", "k1", lambda: toy)
    file = own_cache / "toy-k1.safetensors"
    whole = file.read_bytes()
    file.unlink()  # what is mapped stays as it was
    file.write_bytes({"cut short": whole[: len(whole) // 2], "emptied": b"", "overwritten": b"x" * 999}[damage])
    assert torch.equal(cached_dataset("toy", "k1", lambda: toy).test.images, toy.test.images)
    cached_dataset("toy", "k1", must_not_be_made)


def test_a_folder_that_cannot_be_made_only_warns(tmp_path: Path, toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="by METABENCH_CACHE; until then it is made anew"):
        assert cached_dataset("toy", "k1", lambda: toy) is toy


LARGE = """
import resource, sys, time, torch
import episodes.bank_cache
from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank

def make():
    names = tuple(f"class{number}" for number in range(100))
    images = torch.zeros(60_000, 3, 84, 84, dtype=torch.uint8)
    small = ImageBank("small", images[:600], names[:1], (600,), names[:1])
    return Dataset("large", "fixed", ImageBank("large", images, names, (600,) * 100, names), small, small)

before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
dataset = episodes.bank_cache.cached_dataset("large", "k", make)
opened = time.perf_counter() - started
for episode in EpisodeSampler(dataset.train, FixedTask(5, 1, 15), 0).each(range(10)):
    pass
print(opened, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_60_000_colour_images_are_opened_without_being_read(own_cache: Path) -> None:
    """1.2 GB: the second process maps them, draws ten tasks, and needs a fraction of that memory."""
    run = [sys.executable, "-c", LARGE]
    subprocess.run(run, check=True, capture_output=True)
    seconds, megabytes = map(float, subprocess.run(run, check=True, capture_output=True, text=True).stdout.split())
    assert megabytes < 300
    started = time.perf_counter()
    content = (own_cache / "large-k.safetensors").read_bytes()
    assert len(content) > 1.2e9
    assert seconds < time.perf_counter() - started  # faster than reading the file, however fast the disk is


def test_memory_does_not_grow_with_the_tasks_drawn(toy: Dataset) -> None:
    """Of 100,000 tasks; what the process holds is looked at, not its peak."""
    sampler = EpisodeSampler(toy.train, FixedTask(5, 1, 5), seed=0)

    def resident() -> float:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    for start in range(0, 3200, 32):
        sampler.batch(range(start, start + 32))
    before = resident()
    for start in range(0, 100_000, 32):
        sampler.batch(range(start, start + 32))
    assert resident() - before < 20
