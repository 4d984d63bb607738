"""FewRel: relations with marks around their two things, by the published relations and by those of one file."""

import json
from pathlib import Path
from typing import Any

import pytest

from episodes import DataError, DataOptions, load
from episodes.datasets import get_dataset
from episodes.datasets.all_way import all_way

CROSSES = (
    "In June 1987 , the Missouri Highway and Transportation Department approved design location of a new four - lane "
    "[E2] Mississippi River [/E2] bridge to replace the deteriorating [E1] Cape Girardeau Bridge [/E1] ."
)


def test_one_file_has_16_relations_of_700_sentences(data_root: Path) -> None:
    dataset = load("fewrel", DataOptions(data_root, "16-relations"))
    banks = [dataset.train, dataset.validation, dataset.test]
    assert [bank.classes for bank in banks] == [6, 5, 5]
    assert {size for bank in banks for size in bank.class_sizes} == {700}
    names = {name for bank in banks for name in bank.class_names}
    assert len(names) == 16
    assert {"crosses", "military rank", "spouse"} <= names
    assert CROSSES in list(dataset.test.texts())
    for bank in banks:
        for mark in ("[E1]", "[/E1]", "[E2]", "[/E2]"):
            assert all(text.count(mark) == 1 for text in bank.texts())


def test_what_is_missing_is_named_and_what_works_without_it(data_root: Path) -> None:
    with pytest.raises(
        DataError, match=r"fewrel needs train_wiki.json of https.*, or give --split 16-relations, which"
    ):
        load("fewrel", DataOptions(data_root))
    with pytest.warns(UserWarning, match="no train_wiki.json, so there are the 16 relations of val_wiki.json alone"):
        dataset = all_way("fewrel", DataOptions(data_root))
    assert dataset.test.classes == 16
    assert set(dataset.test.held_out) == {350}


def sentence(number: int) -> dict[str, Any]:
    return {"tokens": ["a", " ", "b", f"c{number}", "d"], "h": ["", "", [[2, 3], [0]]], "t": ["", "", [[0]]]}


def write(folder: Path, *, train: int = 64) -> None:
    """Relations P100 and on for training and P9 and on for validation, of three sentences each."""
    folder.mkdir()
    files = {"train_wiki": range(100, 100 + train), "val_wiki": range(9, 25)}
    for file, numbers in files.items():
        content = {f"P{number}": [sentence(number)] * 3 for number in reversed(numbers)}
        (folder / f"{file}.json").write_text(json.dumps(content))
    names = {f"P{number}": [f"relation {number}", "what it means"] for numbers in files.values() for number in numbers}
    (folder / "pid2name.json").write_text(json.dumps(names | {"P9": ["None", ""], "P10": ["None", ""]}))


def test_both_files_give_48_16_and_16_relations(tmp_path: Path) -> None:
    write(tmp_path / "fewrel")
    dataset = load("fewrel", DataOptions(tmp_path))
    assert dataset.split == "64-relations"
    assert [bank.classes for bank in (dataset.train, dataset.validation, dataset.test)] == [48, 16, 16]
    assert dataset.validation.class_names == tuple(f"relation {number}" for number in range(103, 164, 4))
    assert dataset.test.class_names[:3] == ("None (P9)", "None (P10)", "relation 11")
    assert set(dataset.train.class_names).isdisjoint(dataset.validation.class_names)
    assert dataset.test.text(0) == "[E2] a [/E2] [E1] b c9 [/E1] d"
    assert all_way("fewrel", DataOptions(tmp_path)).test.classes == 80
    small = load("fewrel", DataOptions(tmp_path, "16-relations"))
    assert [bank.classes for bank in (small.train, small.validation, small.test)] == [6, 5, 5]
    assert small.train.class_names[:2] == ("None (P9)", "relation 12")


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fewrel needs train_wiki.json, val_wiki.json and pid2name.json of https"):
        load("fewrel", DataOptions(tmp_path))
    write(tmp_path / "fewrel")
    with pytest.raises(
        DataError, match="fewrel has no split '16'; leave --split out, or give 64-relations, 16-relations"
    ):
        load("fewrel", DataOptions(tmp_path, "16"))
    for field, value in {"tokens": ["a"], "h": ["", "", []], "t": 3}.items():
        broken = {"P9": [sentence(9) | {field: value}]}
        (tmp_path / "fewrel" / "val_wiki.json").write_text(json.dumps(broken))
        with pytest.raises(DataError, match=r"val_wiki.json' does not hold lists of sentences .* download it again"):
            load("fewrel", DataOptions(tmp_path))
    (tmp_path / "fewrel" / "val_wiki.json").write_text(json.dumps({"P100": [sentence(1)]}))
    with pytest.raises(DataError, match=r"has relation P100 in train_wiki.json and in val_wiki.json; download both"):
        load("fewrel", DataOptions(tmp_path))
    (tmp_path / "fewrel" / "pid2name.json").write_text("[1]")
    with pytest.raises(DataError, match=r"pid2name.json' does not hold a name for each relation"):
        get_dataset("fewrel").load("fewrel", DataOptions(tmp_path))
