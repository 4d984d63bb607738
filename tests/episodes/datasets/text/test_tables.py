"""csv:FILE and jsonl:FILE: a user's own texts, and every fault that such files have."""

import bz2
import gzip
import json
import lzma
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from episodes import DataError, DataOptions, Dataset, load
from episodes.banks.vocabulary import PARTS
from episodes.datasets import find
from episodes.datasets.all_way import all_way

Rows = Sequence[dict[str, Any]]


def write_csv(path: Path, rows: Rows) -> str:
    columns = list(rows[0])

    def quoted(value: object) -> str:
        return '"' + str(value).replace('"', '""') + '"'

    lines = [",".join(columns), *(",".join(quoted(row.get(name, "")) for name in columns) for row in rows)]
    path.with_suffix(".csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    return f"csv:{path.with_suffix('.csv')}"


def write_jsonl(path: Path, rows: Rows) -> str:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.with_suffix(".jsonl").write_text(text, encoding="utf-8")
    return f"jsonl:{path.with_suffix('.jsonl')}"


Write = Callable[[Path, Rows], str]


@pytest.fixture(params=[write_csv, write_jsonl])
def write(request: pytest.FixtureRequest) -> Write:
    writer: Write = request.param
    return writer


def classes(*more: dict[str, Any], labels: str = "abcdef", texts: int = 3) -> list[dict[str, Any]]:
    """Rows of six classes with three texts each, and more."""
    return [{"text": f"{label} {number}", "label": label} for number in range(texts) for label in labels] + list(more)


def texts(dataset: Dataset) -> dict[str, list[str]]:
    """The texts of each class."""
    found: dict[str, list[str]] = {}
    for bank in (dataset.train, dataset.validation, dataset.test):
        for text, label in zip(bank.texts(), bank.labels.tolist(), strict=True):
            found.setdefault(bank.class_names[label], []).append(text)
    return found


def test_a_table_is_read_and_its_classes_are_split(write: Write, tmp_path: Path) -> None:
    name = write(tmp_path / "reviews", classes())
    dataset = load(name)
    assert dataset.name == f"{name.partition(':')[0]}:{Path(name).name}"
    assert str(tmp_path) not in dataset.train.name
    assert [bank.classes for bank in (dataset.train, dataset.validation, dataset.test)] == [2, 2, 2]
    assert texts(dataset) == {label: [f"{label} {number}" for number in range(3)] for label in "abcdef"}
    assert dataset.split == "small-seed=0"
    lists = {"train": ["f", "e"], "validation": ["a", "b"], "test": ["c", "d"]}
    (tmp_path / "split.json").write_text(json.dumps(lists))
    own = load(name, DataOptions(split=str(tmp_path / "split.json")))
    assert [list(bank.class_names) for bank in (own.train, own.validation, own.test)] == list(lists.values())
    assert load(name, DataOptions(split="seed=3")).split == "seed=3"


def test_a_packed_table_is_found_in_the_data_root(write: Write, tmp_path: Path) -> None:
    name = write(tmp_path / "reviews", classes())
    source, _, path = name.partition(":")
    Path(f"{path}.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
    packed = f"{source}:{Path(path).name}.gz"
    assert find(packed, DataOptions(tmp_path)) == Path(f"{path}.gz")
    assert load(packed, DataOptions(tmp_path)).train.fingerprint == load(name).train.fingerprint


def test_texts_keep_what_they_are_made_of(write: Write, tmp_path: Path) -> None:
    written = {'said "no",\r\nthen': 'said "no",\nthen', "a\x1fb": "a b", " 🙂 ": "🙂", "x" * 200_000: "x" * 200_000}
    rows = classes(*({"text": text, "label": "a"} for text in written))
    assert texts(load(write(tmp_path / "t", rows)))["a"][3:] == list(written.values())


def test_labels_are_composed_numbers_and_trimmed(write: Write, tmp_path: Path) -> None:
    rows = classes(labels="abcd") + [
        {"text": f"t{number}", "label": label} for number, label in enumerate([" cafe\u0301", "café ", 7, "7"])
    ]
    assert {label: len(found) for label, found in texts(load(write(tmp_path / "t", rows))).items()} == {
        **dict.fromkeys("abcd", 3),
        "café": 2,
        "7": 2,
    }


def test_groups_and_pairs(write: Write, tmp_path: Path) -> None:
    rows = [{**row, "group": "vowel" if row["label"] in "ae" else "", "text_b": "then"} for row in classes()]
    dataset = load(write(tmp_path / "t", rows))
    assert texts(dataset)["b"] == [f"b {number}{PARTS}then" for number in range(3)]
    banks = (dataset.train, dataset.validation, dataset.test)
    groups = {name: group for bank in banks for name, group in zip(bank.class_names, bank.groups, strict=True)}
    assert groups == {"a": "vowel", "e": "vowel", "b": "b", "c": "c", "d": "d", "f": "f"}
    with pytest.raises(DataError, match="class 'a' is in group 'letter', and before in 'vowel'; put a class in one"):
        load(write(tmp_path / "t", [*rows, {**rows[0], "text": "x", "group": "letter"}]))


def test_empty_texts_are_counted_and_left_out(write: Write, tmp_path: Path) -> None:
    empty = [{"text": "", "label": "a"}, {"text": " \t", "label": "b"}, {"text": "\u3000\n", "label": "empty"}]
    name = write(tmp_path / "t", classes(*empty))
    with pytest.warns(UserWarning, match=r"left out 3 empty texts .*, and with them 1 class, such as 'empty'$"):
        assert [len(found) for found in texts(load(name)).values()] == [3] * 6
    pairs = [{**row, "text_b": "b" if row["label"] != "a" else ""} for row in classes(labels="abcdefg")]
    with pytest.warns(UserWarning, match="left out 3 empty texts"):
        assert "a" not in texts(load(write(tmp_path / "t", pairs)))


def test_labels_that_differ_in_case_alone_are_named(write: Write, tmp_path: Path) -> None:
    other = [{"text": f"other {number}", "label": "A"} for number in range(3)]
    with pytest.warns(UserWarning, match="labels that differ in case alone, 'a' and 'A' first; each is"):
        load(write(tmp_path / "t", classes(*other)))


def test_texts_that_are_there_twice_are_counted(write: Write, tmp_path: Path) -> None:
    copies = [{"text": "A  0", "label": "a"}, {"text": "b 1", "label": "c"}, {"text": "b 1", "label": "d"}]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(write(tmp_path / "t", classes(*copies)))
    said = [str(each.message) for each in caught]
    assert len(said) == 2
    assert "has 1 text with the content of others in the same class" in said[0]
    assert "has 2 texts with the content of others in different classes" in said[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(write(tmp_path / "t", classes()))


def test_a_column_says_which_texts_are_for_test(write: Write, tmp_path: Path) -> None:
    said = ["Train", "test", "validation"]
    rows = [{**row, "split": said[int(row["text"][-1])]} for row in classes()]
    dataset = all_way(write(tmp_path / "t", rows))
    assert list(dataset.test.texts()) == [f"{label} {number}" for label in "abcdef" for number in (0, 2, 1)]
    assert dataset.test.held_out == (1,) * 6
    assert dataset.validation.held_out == (1,) * 6
    more = {"text": "x", "label": "x", "split": "test"}
    with pytest.raises(DataError, match=r"has class 'x' \(1 in all\) in test alone"):
        all_way(write(tmp_path / "t", [*rows, more]))
    with pytest.raises(DataError, match=r"has no row whose split is test; add some, or leave the column out"):
        all_way(write(tmp_path / "t", [{**row, "split": "train"} for row in rows]))
    with pytest.raises(DataError, match="there is no split 'tset'; did you mean 'test'"):
        all_way(write(tmp_path / "t", [*rows, {**more, "split": "tset"}]))
    with pytest.raises(DataError, match="has rows with a split and rows without; give every row train or test"):
        all_way(write(tmp_path / "t", [*rows, {**more, "split": ""}]))


def test_pairs_and_single_texts_are_not_mixed(tmp_path: Path) -> None:
    lines = [json.dumps({**row, "text_b": "then"} if row["label"] == "b" else row) for row in classes()]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"line \d+ has a text_b, and line 1 has none; give one to every"):
        load(f"jsonl:{tmp_path / 't.jsonl'}")


@pytest.mark.parametrize(
    ("spelt", "name"), [("Split", "split"), ("splits", "split"), ("Text-B", "text_b"), ("GROUP", "group")]
)
def test_a_column_that_is_spelt_otherwise_is_no_column_of_ours(
    write: Write, tmp_path: Path, spelt: str, name: str
) -> None:
    with pytest.raises(DataError, match=f" '{spelt}'; rename it to '{name}', or to a name that is not alike"):
        load(write(tmp_path / "t", [{"text": "a", "label": "b", spelt: "train"}]))


def test_a_column_splits_classes_where_no_class_is_in_two_parts(write: Write, tmp_path: Path) -> None:
    part = {"a": "novel", "b": "novel", "c": "val", "d": "val", "e": "base", "f": "base"}
    rows = [{**row, "split": part[row["label"]]} for row in classes()]
    dataset = load(write(tmp_path / "t", rows))
    assert dataset.split == "table"
    assert [bank.class_names for bank in (dataset.train, dataset.validation, dataset.test)] == [
        *(("e", "f"), ("c", "d"), ("a", "b"))
    ]
    assert load(write(tmp_path / "t", rows), DataOptions(split="seed=1")).split == "seed=1"
    with pytest.raises(DataError, match=r"has rows with a split and rows without; give every row one, or give --split"):
        load(write(tmp_path / "t", [{**rows[0], "split": ""}, *rows[1:]]))
    some = [{**row, "split": "train" if row["split"] == "base" else ""} for row in rows]
    with pytest.raises(DataError, match=r"has rows with a split and rows without; give every row one, or give --split"):
        load(write(tmp_path / "t", some))
    with pytest.raises(DataError, match="has classes for test and train and none for validation; add some there"):
        load(write(tmp_path / "t", [row for row in rows if row["split"] != "val"]))


def test_without_that_column_one_half_of_each_class_is_for_test(write: Write, tmp_path: Path) -> None:
    dataset = all_way(write(tmp_path / "t", classes(texts=10)))
    assert dataset.test.held_out == (5,) * 6
    assert set(dataset.train.texts()).isdisjoint(dataset.test.text(row) for row in range(5, 10))
    assert sorted(dataset.test.texts()) == sorted(row["text"] for row in classes(texts=10))
    with pytest.raises(DataError, match=r"class 'x' of '.*' has 1 text, and --task all-way needs at least 3 of each"):
        all_way(write(tmp_path / "t", classes({"text": "x", "label": "x"})))
    with pytest.raises(DataError, match="has no split 'seed=1'"):
        all_way(write(tmp_path / "t", classes()), DataOptions(split="seed=1"))


def test_what_has_too_few_classes_or_no_texts_is_refused(write: Write, tmp_path: Path) -> None:
    few = "has 1 class; train, validation and test need at least 6, two for each: give more, or --task all-way, which"
    with pytest.raises(DataError, match=few):
        load(write(tmp_path / "t", classes(labels="a")))
    with (
        pytest.warns(UserWarning, match="left out 1 empty text "),
        pytest.raises(DataError, match="has no texts; give it rows with a text and a label"),
    ):
        load(write(tmp_path / "t", [{"text": "", "label": "a"}]))
    for label in ("", "  "):
        line = 20 if write is write_csv else 19
        with pytest.raises(DataError, match=f"', line {line}: no label; give it one, or remove the row"):
            load(write(tmp_path / "t", classes({"text": "x", "label": label})))


@pytest.mark.parametrize("source", ["csv", "jsonl"])
def test_what_is_not_a_file_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=rf"there is no file '/no/such'; --dataset {source}:FILE needs a table of texts"
    ):
        load(f"{source}:/no/such")
    with pytest.raises(DataError, match=r"there is no file 'such', neither here nor in --data-root"):
        load(f"{source}:such", DataOptions(tmp_path))
    with pytest.raises(
        DataError, match=r"' is a folder; .*, and --dataset txt:FOLDER a folder of .txt files per class"
    ):
        load(f"{source}:{tmp_path}")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="pipe' is not a regular file"):
        load(f"{source}:{tmp_path / 'pipe'}")
    with pytest.raises(DataError, match="is not UTF-8, and no record could hold it; rename it"):
        load(f"{source}:\udcff.csv")
    with pytest.raises(DataError, match=f"there is no dataset '{source}'; did you mean '{source}:FILE'"):
        load(source)


def test_a_place_without_its_kind_is_told_how_to_ask_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.csv", "mine.jsonl", "mine.conll", "mine.csv.gz"):
        Path(name).touch()
        with pytest.raises(DataError, match=f"'{name}' is a place and no dataset; give [a-z]+:{name}$"):
            load(name)
    Path("notes").mkdir()
    with pytest.raises(DataError, match="'notes' is a place and no dataset; give folder:notes for pictures, or txt:n"):
        load("notes")


LINES = {
    '{"text": "x", "label": "a"}\n\n{"text": "x" "label": "a"}\n': "line 3: not valid JSON (Expecting ',' delimiter)",
    '{"text": "x", "label": "a"\n': "line 1: not valid JSON (Expecting ',' delimiter); put one object on each line",
    '["x", "a"]\n': "line 1: a list, not an object; put one object on each line",
    '{"txt": "x", "label": "a"}\n': "line 1: no 'text': found keys 'txt', 'label'; rename 'txt' to 'text'",
    "{}\n": "line 1: no 'text': found an empty object; name them text and label",
    '{"text": 3, "label": "a"}\n': "line 1: 'text' is a number; put it in quotation marks as a string",
    '{"text": "x", "label": 1.5}\n': "line 1: 'label' is a number; put it in quotation marks",
    '{"text": "x", "label": ["a"]}\n': "line 1: 'label' is a list; put it in quotation marks",
    '{"text": "x", "label": null}\n': "line 1: no label; give it one, or remove the row",
    '{"text": "x\0", "label": "a"}\n': "has a NUL character in line 1",
    "[" * 100_000 + "\n": "line 1: not valid JSON",
    '{"text": "x", "label": "a", "text": "y"}\n': "line 1: has the key 'text' twice; leave it once",
    "": "has no texts",
}


@pytest.mark.parametrize("content", LINES, ids=range(len(LINES)))
def test_what_is_wrong_with_a_line_is_said(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError) as caught:
        load(f"jsonl:{tmp_path / 'a.jsonl'}")
    assert LINES[content] in str(caught.value)


@pytest.mark.parametrize(("pack", "method"), [(bz2.compress, "bzip2"), (lzma.compress, "xz")])
def test_what_is_packed_otherwise_says_so(pack: Callable[[bytes], bytes], method: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(pack(b"text,label\nx,a\n"))
    with pytest.raises(DataError, match=f"a.csv' is packed by {method}; unpack it, or pack it by gzip"):
        load(f"csv:{tmp_path / 'a.csv'}")


def test_half_a_character_and_other_line_ends_in_json(tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in classes({"text": "\ud83d \u2028 \0", "label": True})]
    (tmp_path / "a.jsonl").write_bytes("\r".join(lines).encode("utf-8-sig"))
    assert texts(load(f"jsonl:{tmp_path / 'a.jsonl'}"))["true"] == ["?"]


def test_the_columns_that_are_needed_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sentence;label\nx;y\n")
    with pytest.raises(DataError, match=r"has no column 'text': found columns 'sentence;label'; name the columns text"):
        load(f"csv:{tmp_path / 'a.csv'}")
