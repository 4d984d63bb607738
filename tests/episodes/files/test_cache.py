from pathlib import Path

import numpy as np
import pytest

from episodes import DataError
from episodes.files.atomic import write_atomically
from episodes.files.cache import Arrays, cached_arrays, clear_cache, content_key
from episodes.places import cache_folder


def make() -> Arrays:
    return {"numbers": np.arange(50_000)}


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def must_not_be_made() -> Arrays:
    raise AssertionError("made anew, though it is cached")


def test_made_once_then_read(own_cache: Path) -> None:
    cached_arrays("thing", make)
    assert np.array_equal(cached_arrays("thing", must_not_be_made)["numbers"], np.arange(50_000))
    assert [path.name for path in own_cache.rglob("*")] == ["banks", "thing.npz"]


@pytest.mark.parametrize("damage", ["cut short", "emptied", "overwritten", "flipped"])
def test_a_damaged_file_is_made_anew(own_cache: Path, damage: str) -> None:
    cached_arrays("thing", make)
    file = own_cache / "banks" / "thing.npz"
    whole = file.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    file.write_bytes(
        {"cut short": whole[:middle], "emptied": b"", "overwritten": b"x" * 999, "flipped": flipped}[damage]
    )
    assert np.array_equal(cached_arrays("thing", make)["numbers"], np.arange(50_000))
    assert np.array_equal(cached_arrays("thing", must_not_be_made)["numbers"], np.arange(50_000))


def test_a_folder_that_cannot_be_made_only_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="by METABENCH_CACHE; until then it is made anew"):
        assert "numbers" in cached_arrays("thing", make)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("old")

    def fail(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match="No space left on device; choose a folder that can be written"):
        write_atomically(target, fail)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_only_what_was_made_is_removed(own_cache: Path) -> None:
    cached_arrays("thing", make)
    made = own_cache / "banks"
    (made / "toy-k.safetensors").write_bytes(b"123")
    (made / ".thing.npz.k2j3").write_bytes(b"half")  # of a process that was killed
    kept = [made / "notes.txt", own_cache / "mine.npz", own_cache / "data" / "omniglot-py" / "images.zip"]
    for path in kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    removed = clear_cache()
    assert {path.name for path in removed} == {"thing.npz", "toy-k.safetensors", ".thing.npz.k2j3"}
    assert sum(removed.values()) > 400_007
    assert sorted(path for path in own_cache.rglob("*") if path.is_file()) == sorted(kept)
    assert clear_cache() == {}


def test_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "none")
    with pytest.raises(DataError, match=r"cannot read '.*a.png': No such file or directory; repair or remove it"):
        content_key([tmp_path / "a.png"])


def test_without_the_variable_the_users_cache_folder_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("METABENCH_CACHE")
    assert "metabench" in str(cache_folder())
