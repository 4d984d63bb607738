"""txt:FOLDER: a folder of .txt files per class, and every fault that such folders have."""

import codecs
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from episodes import DataError, DataOptions, Dataset, load
from episodes.datasets.all_way import all_way


def write(root: Path, classes: Iterable[str] = "abcdef", texts: int = 3) -> str:
    """Folders with the texts `a 0`, `a 1`, … each."""
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(texts):
            (root / name / f"{number}.txt").write_text(f"{name} {number}\n")
    return f"txt:{root}"


def names(dataset: Dataset) -> dict[str, str]:
    """The group of each class."""
    banks = (dataset.train, dataset.validation, dataset.test)
    return {name: group for bank in banks for name, group in zip(bank.class_names, bank.groups, strict=True)}


def test_a_folder_is_a_class_and_a_file_a_text(tmp_path: Path) -> None:
    dataset = load(write(tmp_path / "notes"))
    assert dataset.name == "txt:notes"
    assert [bank.classes for bank in (dataset.train, dataset.validation, dataset.test)] == [2, 2, 2]
    for bank in (dataset.train, dataset.validation, dataset.test):
        assert list(bank.texts()) == [f"{name} {number}" for name in bank.class_names for number in range(3)]
    assert set(names(dataset)) == {*"abcdef"}
    again = load("txt:notes", DataOptions(tmp_path))
    assert again.train.fingerprint == dataset.train.fingerprint


def test_an_archive_is_read_as_its_folder(tmp_path: Path) -> None:
    whole = load(write(tmp_path / "notes"))
    for form in ("zip", "gztar"):
        packed = load(f"txt:{shutil.make_archive(str(tmp_path / 'packed'), form, tmp_path, 'notes')}")
        assert packed.test.fingerprint == whole.test.fingerprint
    (tmp_path / "broken.zip").write_bytes((tmp_path / "packed.zip").read_bytes()[:-40])
    with pytest.raises(DataError, match=r"cannot read '.*broken.zip': .*; download it again"):
        load(f"txt:{tmp_path / 'broken.zip'}")


def test_folders_around_classes_are_groups(tmp_path: Path) -> None:
    name = write(tmp_path / "notes", ["x/a", "x/b", "y/c", "y/d", "z/e", "z/f"])
    assert names(load(name)) == {"a": "x", "b": "x", "c": "y", "d": "y", "e": "z", "f": "z"}
    write(tmp_path / "notes", ["z/a"])
    assert {"x/a", "z/a", "y/c"} <= names(load(name)).keys()


def test_folders_train_and_test_say_which_texts_are_queries(tmp_path: Path) -> None:
    name = write(tmp_path / "notes", [f"{part}/{each}" for part in ("train", "test") for each in "abcdef"])
    dataset = all_way(name)
    assert dataset.test.class_names == tuple("abcdef")
    assert dataset.test.held_out == (3,) * 6
    assert [dataset.test.text(row) for row in (0, 3)] == ["train/a 0", "test/a 0"]
    assert load(name).train.class_sizes == (6, 6)
    write(tmp_path / "notes", ["test/x"])
    with pytest.raises(DataError, match=r"has class 'x' \(1 in all\) in test alone"):
        all_way(name)
    write(tmp_path / "notes", ["more/x"])
    with pytest.raises(
        DataError, match=r"has folders more, test, train: parts of a split and others \('more'\); leave"
    ):
        load(name)


def test_folders_with_classes_of_their_own_are_the_split(tmp_path: Path) -> None:
    name = write(tmp_path / "notes", ["0_train/a", "0_train/f", "1_val/c", "1_val/d", "2_test/b", "2_test/e"])
    dataset = load(name)
    assert dataset.split == "folders"
    parts = (dataset.train, dataset.validation, dataset.test)
    assert [bank.class_names for bank in parts] == [("a", "f"), ("c", "d"), ("b", "e")]
    assert load(name, DataOptions(split="seed=0")).split == "seed=0"
    shutil.rmtree(tmp_path / "notes" / "1_val")
    with pytest.raises(DataError, match="has classes for test and train and none for validation; add some there, or"):
        load(name)


def test_without_them_each_class_is_halved(tmp_path: Path) -> None:
    assert all_way(write(tmp_path / "notes", texts=4)).test.held_out == (2,) * 6


def test_each_file_has_its_own_encoding(tmp_path: Path) -> None:
    name = write(tmp_path / "notes")
    file = tmp_path / "notes" / "a" / "0.txt"
    for content in ("é\r\n🙂".encode("utf-8-sig"), codecs.BOM_UTF16_BE + "é\r\n🙂".encode("utf-16-be")):
        file.write_bytes(content)
        banks = load(name, DataOptions(split="seed=0"))
        assert "é\n🙂" in [text for bank in (banks.train, banks.validation, banks.test) for text in bank.texts()]
    file.write_bytes("ab é".encode("cp1252"))
    with pytest.raises(DataError, match=r"notes/a/0.txt' is not UTF-8: its byte 4 \(0xE9\) does not fit"):
        load(name)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    name = write(tmp_path / "notes")
    (tmp_path / "notes" / "a" / "0.txt").write_text(" \n")
    (tmp_path / "notes" / ".DS_Store").write_text("")
    with pytest.warns(UserWarning, match="left out 1 empty text "):
        load(name)
    (tmp_path / "notes" / "a" / "0.txt").write_text("x")
    (tmp_path / "notes" / "a" / "0.pdf").write_text("x")
    with pytest.warns(UserWarning, match=r"left out 1 file of another kind than .txt, such as 'a/0.pdf'"):
        load(name)


def test_what_is_wrong_with_a_folder_is_said(tmp_path: Path) -> None:
    root = tmp_path / "notes"
    with pytest.raises(DataError, match=r"there is no folder '.*notes'; --dataset txt:FOLDER needs a folder of .txt"):
        load(f"txt:{root}")
    root.mkdir()
    with pytest.raises(DataError, match=r"has no .txt files; put those of each class in a folder"):
        load(f"txt:{root}")
    (root / "a.txt").write_text("a")
    with pytest.raises(DataError, match=r"has texts that are in no class, such as 'a.txt'"):
        load(f"txt:{root}")
    with pytest.raises(DataError, match=r"is neither a folder nor an archive; .*; csv:FILE and jsonl:FILE read tables"):
        load(f"txt:{root / 'a.txt'}")
    (root / "a.txt").unlink()
    write(root, "ab")
    with pytest.raises(DataError, match="'txt:notes' has 2 classes; train, validation and test need at least 6"):
        load(f"txt:{root}")
    (root / "c").mkdir()
    with pytest.raises(DataError, match=r"has 1 folder without .txt files, such as 'c'; put the texts of the class"):
        load(f"txt:{root}")
    os.mkfifo(root / "c" / "0.txt")
    with pytest.raises(DataError, match=r"c/0.txt' is a named pipe, a socket or a device, not a text; remove it"):
        load(f"txt:{root}")


def test_a_name_that_no_record_could_hold_is_refused(tmp_path: Path) -> None:
    name = write(tmp_path / "notes")
    try:
        (tmp_path / "notes" / "\udcff").mkdir()
    except OSError:
        pytest.skip("this file system has no names that are not UTF-8")
    (tmp_path / "notes" / "\udcff" / "0.txt").write_text("x")
    with pytest.raises(DataError, match=r"has a name that is not UTF-8, '.*', and no record could hold it; rename it"):
        load(name)
