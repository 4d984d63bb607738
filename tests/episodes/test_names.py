"""Names of datasets: a folder is known by its own name."""

from pathlib import Path

import pytest

from episodes.names import full_name, join_names, parts, placed, short_name, split_names

SHORT = {
    "glyphs": "glyphs",
    "folder:tiny": "folder:tiny",
    "folder:tiny/": "folder:tiny",
    "folder:/data/tiny": "folder:tiny",
    "folder:../tiny": "folder:tiny",
    "table:/data/birds/labels.csv": "table:labels.csv",
    "mini-imagenet to table:/data/birds/": "mini-imagenet to table:birds",
    "folder:/data/tiny.zip": "folder:tiny.zip",
    "folder:a/b+c": "folder:b+c",
    "folder:/a+folder:/b/a2/": "folder:a+folder:a2",
    "omniglot+folder:/data/tiny": "omniglot+folder:tiny",
    "folder:/x/a to folder:/y/b": "folder:a to folder:b",
    "glyphs to omniglot": "glyphs to omniglot",
    "folder:to folder": "folder:to folder",
    "folder:/": "folder:/",
    "csv:/home/ann/reviews.csv.gz": "csv:reviews.csv.gz",
    "jsonl:../a.jsonl+txt:/home/ann/notes/": "jsonl:a.jsonl+txt:notes",
    "csv:/a/b.csv to banking77": "csv:b.csv to banking77",
    "torchvision:FashionMNIST": "torchvision:FashionMNIST",
}


@pytest.mark.parametrize("name", SHORT)
def test_a_short_name_has_no_place_and_stays(name: str) -> None:
    assert short_name(name) == SHORT[name]
    assert short_name(SHORT[name]) == SHORT[name]


def test_a_path_without_a_name_of_its_own_is_written_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inner").mkdir()
    monkeypatch.chdir(tmp_path / "inner")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert full_name("folder:.") == f"folder:{tmp_path / 'inner'}"
    assert full_name("folder:..") == full_name("folder:~") == f"folder:{tmp_path}"
    assert full_name("txt:.") == f"txt:{tmp_path / 'inner'}"
    assert full_name("glyphs+folder:./") == f"glyphs+folder:{tmp_path / 'inner'}"
    for name in ("folder:tiny", "folder:../tiny", "folder:", "glyphs", "folder:~ann", "csv:../a.csv"):
        assert full_name(name) == name


def test_parts_and_places() -> None:
    assert parts("omniglot+folder:/a+b+glyphs") == ["omniglot", "folder:/a+b", "glyphs"]
    assert parts("folder:/a+csv_files/txt+folders") == ["folder:/a+csv_files/txt+folders"]
    assert parts("folder:cat+cubs") == ["folder:cat+cubs"]
    assert parts("folder:cat+cub") == ["folder:cat", "cub"]
    assert parts("cub+torchvision:EuroSAT") == ["cub", "torchvision:EuroSAT"]
    assert placed("omniglot+folder:/a+b+folder:c/") == [("folder:", "/a+b"), ("folder:", "c/")]
    assert placed("csv:a.csv+jsonl:/b+txt:~/c") == [("csv:", "a.csv"), ("jsonl:", "/b"), ("txt:", "~/c")]


NAMES = {
    "cat,sheep,boar": ("cat", "sheep", "boar"),
    " cat , sheep ": ("cat", "sheep"),
    '"a,b",c': ("a,b", "c"),
    ' "a, b" , c': ("a, b", "c"),
    '" lead","trail ",mid dle': (" lead", "trail ", "mid dle"),
    'it\'s "q",x': ('it\'s "q"', "x"),
    '"say ""hi""",x': ('say "hi"', "x"),
    "new\nline,x": ("new\nline", "x"),
    "-dash,=1+1,猫,%s{}": ("-dash", "=1+1", "猫", "%s{}"),
    "a,,b,": ("a", "", "b", ""),
    "": ("",),
}


@pytest.mark.parametrize("text", NAMES)
def test_names_of_classes_are_taken_apart_and_put_together(text: str) -> None:
    assert split_names(text) == NAMES[text]
    assert split_names(join_names(NAMES[text])) == NAMES[text]


@pytest.mark.parametrize("text", ['"a,b', 'a,"b', '"a"b,c', '"'])
def test_a_quotation_mark_that_is_not_closed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not closed before a comma or the end"):
        split_names(text)
