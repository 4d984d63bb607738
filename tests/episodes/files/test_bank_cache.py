import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank
from episodes.files import bank_cache
from episodes.files.bank_cache import cached_dataset


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "banks"


def must_not_be_made() -> Dataset:
    raise AssertionError("made anew, though it is cached")


def test_what_is_read_is_what_was_made(own_cache: Path, toy: Dataset) -> None:
    cached_dataset("toy", "fixed", "k1", lambda: toy)
    read = cached_dataset("toy", "fixed", "k1", must_not_be_made)
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


def test_images_that_several_parts_share_are_written_once(own_cache: Path, toy: Dataset) -> None:
    shared = replace(toy, train=replace(toy.test, class_names=tuple("abcdefgh")), validation=toy.test)
    cached_dataset("toy", "fixed", "k1", lambda: shared)
    read = cached_dataset("toy", "fixed", "k1", must_not_be_made)
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(read, part).images, toy.test.images)
    assert (read.train.class_names, read.test.class_names) == (tuple("abcdefgh"), toy.test.class_names)
    assert (own_cache / "toy-k1.safetensors").stat().st_size < 1.2 * toy.test.images.nbytes


def test_name_and_split_are_those_that_were_asked_for(own_cache: Path, toy: Dataset) -> None:
    cached_dataset("toy:here", "first.json", "k1", lambda: toy)
    read = cached_dataset("toy:there", "second.json", "k1", must_not_be_made)
    assert (read.name, read.split, read.test.name) == ("toy:there", "second.json", "toy:there/test")
    assert [path.name for path in own_cache.iterdir()] == ["toy-k1.safetensors"]


def edited(whole: bytes, edit: str) -> bytes:
    """The file's bytes after an edit; of the images the last byte, of the header a class's name or a fingerprint."""
    if edit in ("train0", "fingerprint"):
        place = whole.index(edit.encode()) + (0 if edit == "train0" else len("fingerprint") + 8)
        return whole[:place] + (b"b" if whole[place : place + 1] == b"a" else b"a") + whole[place + 1 :]
    return {
        "cut short": whole[: len(whole) // 2],
        "emptied": b"",
        "overwritten": b"x" * 999,
        "one bit": whole[:-1] + bytes([whole[-1] ^ 1]),
    }[edit]


@pytest.mark.parametrize("edit", ["cut short", "emptied", "overwritten", "one bit", "train0", "fingerprint"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_damaged_file_is_made_anew(own_cache: Path, toy: Dataset, edit: str, *, in_place: bool) -> None:
    expected = toy.test.images.clone()
    cached_dataset("toy", "fixed", "k1", lambda: toy)
    file = own_cache / "toy-k1.safetensors"
    damaged = edited(file.read_bytes(), edit)
    if not in_place:
        file.unlink()
    file.write_bytes(damaged)
    with pytest.raises(AssertionError, match="made anew"):
        cached_dataset("toy", "fixed", "k1", must_not_be_made)
    read = cached_dataset("toy", "fixed", "k1", lambda: toy)
    assert torch.equal(read.test.images, expected)
    assert read.train.class_names == toy.train.class_names
    cached_dataset("toy", "fixed", "k1", must_not_be_made)


def test_what_another_recipe_made_is_made_anew(own_cache: Path, toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    cached_dataset("toy", "fixed", "k1", lambda: toy)
    monkeypatch.setattr(bank_cache, "RECIPE", bank_cache.RECIPE + 1)
    with pytest.raises(AssertionError, match="made anew"):
        cached_dataset("toy", "fixed", "k1", must_not_be_made)


def test_a_copy_is_compared_once_and_used(own_cache: Path, toy: Dataset) -> None:
    cached_dataset("toy", "fixed", "k1", lambda: toy)
    file = own_cache / "toy-k1.safetensors"
    written = file.stat().st_mtime_ns
    whole = file.read_bytes()
    file.unlink()
    file.write_bytes(whole)
    assert file.stat().st_mtime_ns != written
    cached_dataset("toy", "fixed", "k1", must_not_be_made)
    assert file.stat().st_mtime_ns == written


FULL = """
import resource
from pathlib import Path
import torch
from episodes import Dataset, ImageBank
from episodes.files.bank_cache import cached_dataset

bank = ImageBank("x", torch.ones(50, 3, 64, 64, dtype=torch.uint8), ("a",), (50,), ("g",))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # no file may grow further, as on a full disk
dataset = cached_dataset("full", "fixed", "k", lambda: Dataset("x", "y", bank, bank, bank))
assert (dataset.name, dataset.split, dataset.test.name) == ("full", "fixed", "full/test")
assert dataset.test.images.min() == 1
"""


def test_a_full_disk_only_warns_and_keeps_nothing(own_cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FULL], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "File too large" in done.stderr
    assert "choose a folder that can be written by METABENCH_CACHE; until then it is made anew" in done.stderr
    assert list(own_cache.iterdir()) == []


@pytest.fixture
def as_anyone() -> Iterator[Path]:
    """A folder that the tests' user may read and not write; root is another user for the time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield folder
        if os.geteuid() != os.getuid():
            os.seteuid(os.getuid())
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


@pytest.mark.parametrize("filled", [False, True])
def test_a_read_only_folder_is_read_and_else_only_warns(
    as_anyone: Path, toy: Dataset, monkeypatch: pytest.MonkeyPatch, *, filled: bool
) -> None:
    monkeypatch.setenv("METABENCH_CACHE", str(as_anyone))
    (as_anyone / "banks").mkdir()
    if filled:
        cached_dataset("toy", "fixed", "k1", lambda: toy)
        os.utime(as_anyone / "banks" / "toy-k1.safetensors")  # as a copy has it: it is compared, and used
    for folder in (as_anyone / "banks", as_anyone):
        folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)  # nobody: nothing is read-only to root
    if filled:
        assert torch.equal(cached_dataset("toy", "fixed", "k1", must_not_be_made).test.images, toy.test.images)
    else:
        with pytest.warns(UserWarning, match="Permission denied; .* by METABENCH_CACHE"):
            assert torch.equal(cached_dataset("toy", "fixed", "k1", lambda: toy).test.images, toy.test.images)


def test_a_folder_that_cannot_be_made_only_warns(tmp_path: Path, toy: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="by METABENCH_CACHE; until then it is made anew"):
        assert cached_dataset("toy", "fixed", "k1", lambda: toy).test.images is toy.test.images


LARGE = """
import re, sys, time, torch
from pathlib import Path
import episodes.files.bank_cache
from episodes import Dataset, EpisodeSampler, FixedTask, ImageBank

def make():
    names = tuple(f"class{number}" for number in range(100))
    images = torch.zeros(60_000, 3, 84, 84, dtype=torch.uint8)
    small = ImageBank("small", images[:600], names[:1], (600,), names[:1])
    return Dataset("large", "fixed", ImageBank("large", images, names, (600,) * 100, names), small, small)

def own():
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

before, started = own(), time.perf_counter()
dataset = episodes.files.bank_cache.cached_dataset("large", "fixed", "k", make)
opened = time.perf_counter() - started
for episode in EpisodeSampler(dataset.train, FixedTask(5, 1, 15), 0).each(range(10)):
    pass
print(opened, (own() - before) / 1024)
"""


@pytest.mark.slow
def test_60_000_colour_images_are_opened_without_being_read(own_cache: Path) -> None:
    """1.2 GB: the second process maps them, draws ten tasks, and needs a fraction of that memory for itself.

    What it maps is not counted: of that the system may hold more than was asked for, as it sees fit.
    """
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
