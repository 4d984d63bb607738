"""A folder that was read is found again by its name, where it still is."""

from pathlib import Path

import pytest

from episodes.files.remembered import remember, with_places


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METABENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "data" / "birds").mkdir(parents=True)
    return tmp_path / "data" / "birds"


def test_a_folder_is_found_where_it_was_read(birds: Path) -> None:
    assert with_places("folder:birds") == "folder:birds"
    remember("folder:birds", birds)
    assert with_places("folder:birds") == f"folder:{birds}"
    assert with_places("omniglot+folder:birds") == f"omniglot+folder:{birds}"
    assert with_places("folder:fish") == "folder:fish"
    assert with_places("glyphs") == "glyphs"


@pytest.mark.parametrize("prefix", ["csv:", "jsonl:", "txt:"])
def test_files_and_folders_of_texts_are_found_likewise(prefix: str, birds: Path) -> None:
    remember(f"{prefix}birds", birds)
    assert with_places(f"{prefix}birds+banking77") == f"{prefix}{birds}+banking77"
    assert with_places("folder:birds") == "folder:birds"


def test_one_that_is_here_is_meant_and_one_that_is_gone_is_not_found(birds: Path) -> None:
    remember("folder:birds", birds)
    Path("birds").mkdir()
    assert with_places("folder:birds") == "folder:birds"
    Path("birds").rmdir()
    birds.rmdir()
    assert with_places("folder:birds") == "folder:birds"


def test_a_cache_that_cannot_be_written_costs_nothing(birds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("/dev/null", "/proc/nothing"):
        monkeypatch.setenv("METABENCH_CACHE", place)
        remember("folder:birds", birds)
        assert with_places("folder:birds") == "folder:birds"
