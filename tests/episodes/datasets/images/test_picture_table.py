"""table:FILE: pictures whose classes are listed, in each form that is read, and every fault that such a list has."""

import gzip
import json
import shutil
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from episodes import DataError, DataOptions, Dataset, ImageBank, load
from episodes.datasets import find
from episodes.datasets.all_way import all_way
from episodes.datasets.images import picture_list, picture_table
from episodes.files.remembered import with_places
from metabench.config import make_config
from metabench.experiment.data import load_data

SMALL = DataOptions(image_size=16)
FILES = ("a.png", "b.png", "more/c.JPG")  # of each class


def colour(bank: ImageBank, row: int) -> int:
    """The number of the class whose colour an image has, whatever the bank says."""
    return round(float(bank.images[row, 0].float().mean()) / 40)


def colours(dataset: Dataset) -> dict[str, list[int]]:
    """The numbers of the colours that the images of each class have."""
    found: dict[str, list[int]] = {}
    for bank in (dataset.train, dataset.validation, dataset.test):
        for row, label in enumerate(bank.labels.tolist()):
            found.setdefault(bank.class_names[label], []).append(colour(bank, row))
    return found


EVERY = {f"colour{number}": [number] * 3 for number in range(6)}


def listed(file: str = "colour{number}/{name}") -> list[tuple[str, str]]:
    """The path and the class of each picture."""
    return [(file.format(number=number, name=name), f"colour{number}") for number in range(6) for name in FILES]


def write(path: Path, rows: Sequence[Sequence[object]], header: str = "file_name,label") -> str:
    path.write_text("".join(f"{line}\n" for line in (header, *(",".join(map(str, row)) for row in rows))))
    return f"table:{path}"


def test_a_table_is_read_as_the_folders_that_it_lists(pictures: Path) -> None:
    dataset = load(write(pictures / "labels.csv", listed()[::-1]), SMALL)
    assert (dataset.name, dataset.split) == ("table:labels.csv", "small-seed=0")
    assert colours(dataset) == EVERY
    (pictures / "labels.csv").rename(pictures.parent / "labels.csv")
    folder = load(f"folder:{pictures}", SMALL)
    for part in ("train", "validation", "test"):
        assert getattr(folder, part).fingerprint == getattr(dataset, part).fingerprint


FORMS: dict[str, tuple[str, str, Callable[[str], bytes]]] = {  # the header, each row, and how the text is written
    "Meta-Album": ("FILE_NAME,CATEGORY,SUPER_CATEGORY", "{path},{label},NAN", str.encode),
    "capitals": ("Image Path,Class", "{path},{label}", str.encode),
    "BOM and CRLF": ("file,label", "{path},{label}", lambda text: text.replace("\n", "\r\n").encode("utf-8-sig")),
    "UTF-16": ("path,label", "{path},{label}", lambda text: text.encode("utf-16")),
    "tabs": ("file-name\tlabel", "{path}\t{label}", str.encode),
    "packed": ("filename,label", "{path},{label}", lambda text: gzip.compress(text.encode())),
    "an index before": (",file,label", "7,{path},{label}", str.encode),
    "number and name": ("image,label,class", "{path},3,{label}", str.encode),
    "Windows": ("file,label", "{path},{label}", lambda text: text.replace("/", "\\").encode()),
    "quotes and spaces": ("file, label", '"./{path} ", {label}', str.encode),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_tables(form: str, pictures: Path) -> None:
    header, row, written = FORMS[form]
    rows = [row.format(path=path, label=label) for path, label in listed()]
    (pictures / "t.csv").write_bytes(written("\n".join([header, *rows, ""])))
    dataset = load(f"table:{pictures / 't.csv'}", SMALL)
    assert colours(dataset) == EVERY
    assert dataset.test.groups == dataset.test.class_names


def test_columns_of_0_and_1_are_classes(pictures: Path) -> None:
    """As in the ground truth of ISIC."""
    rows = [[path, *(f"{float(label == f'colour{number}')}" for number in range(6))] for path, label in listed()]
    header = ",".join(["image", *EVERY])
    assert colours(load(write(pictures / "truth.csv", rows, header), SMALL)) == EVERY
    both = [*rows[0][:-1], "1.0"]
    with pytest.raises(DataError, match=r"line 2: a picture is of one class, and 2 of the columns have a 1 \(colour0"):
        load(write(pictures / "truth.csv", [both, *rows], header), SMALL)
    with pytest.raises(DataError, match=r"line 20: a picture is of one class, and 0 of the columns have a 1 \(none\)"):
        load(write(pictures / "truth.csv", [*rows, [rows[0][0], *"000000"]], header), SMALL)
    with pytest.raises(
        DataError, match="has no column of classes, nor columns of 0 and 1 for each class: found columns"
    ):
        load(write(pictures / "truth.csv", [[rows[0][0], *"000002"]], header), SMALL)


def test_groups(pictures: Path) -> None:
    rows = [(path, label, "even" if int(label[-1]) % 2 == 0 else "") for path, label in listed()]
    dataset = load(write(pictures / "t.csv", rows, "file,label,group"), SMALL)
    banks = (dataset.train, dataset.validation, dataset.test)
    groups = {name: group for bank in banks for name, group in zip(bank.class_names, bank.groups, strict=True)}
    assert groups == {name: "even" if int(name[-1]) % 2 == 0 else name for name in EVERY}
    rows.append((rows[0][0], rows[0][1], "odd"))
    with pytest.raises(DataError, match="line 20: class 'colour0' is in group 'odd', and before in 'even'"):
        load(write(pictures / "t.csv", rows, "file,label,group"), SMALL)


def test_pictures_are_found_in_images_in_other_folders_and_without_their_endings(pictures: Path) -> None:
    root = pictures.parent / "set"
    (root / "images").mkdir(parents=True)
    names = []
    for number in range(6):
        for place, name in zip(
            ("", "images", f"images_00{number}/images"), ("a.png", "b.png", "more/c.JPG"), strict=True
        ):
            there = root / place / f"é {number}{name[-5]}{Path(name).suffix}"
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(pictures / f"colour{number}" / name, there)
            names.append((unicodedata.normalize("NFD", there.stem), f"colour{number}"))
    assert colours(load(write(root / "t.csv", names), SMALL)) == EVERY
    shutil.copy(pictures / "colour1" / "a.png", root / "images" / "é 0a.png")  # the one beside the table counts
    assert colours(load(write(root / "t.csv", names), SMALL)) == EVERY
    shutil.copy(pictures / "colour2" / "a.png", root / "images_000" / "é 0a.png")
    assert colours(load(write(root / "t.csv", names), SMALL)) == EVERY
    (root / "é 0a.png").unlink()
    (root / "images" / "é 0a.png").rename(root / "images_001" / "é 0a.png")
    with pytest.raises(DataError, match=r"line 2: .* may be 'images_000/.*' or 'images_001/.*' of '.*set'; write"):
        load(write(root / "t.csv", names), SMALL)


def test_a_folder_stands_for_its_table_and_gives_the_name(pictures: Path, tmp_path: Path) -> None:
    write(pictures / "labels.csv", listed())
    write(pictures / "boxes.csv", [("x", 1)])
    (pictures / "info.json").write_text("{}")
    dataset = load("table:colours", DataOptions(tmp_path, image_size=16))
    assert (dataset.name, colours(dataset)) == ("table:colours", EVERY)
    assert find("table:colours", DataOptions(tmp_path)) == pictures
    assert with_places("table:colours") == f"table:{pictures}"
    assert make_config(dataset=f"table:{pictures}").recorded.data.dataset == "table:colours"
    (pictures / "labels.csv").rename(pictures / "other.csv")
    with pytest.raises(DataError, match=r"colours' has 2 tables, 'boxes.csv', 'other.csv'; name one, as --dataset"):
        load(f"table:{pictures}", SMALL)
    (pictures / "boxes.csv").unlink()
    assert load(f"table:{pictures}", SMALL).test.fingerprint == dataset.test.fingerprint
    (pictures / "other.csv").unlink()
    with pytest.raises(DataError, match=r"colours' has no table of pictures with their classes, such as labels.csv"):
        load(f"table:{pictures}", SMALL)


def test_pictures_may_be_in_an_archive_beside_the_table(pictures: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "packed" / "images"), "zip", pictures)
    assert colours(load(write(tmp_path / "packed" / "t.csv", listed()), SMALL)) == EVERY


def test_what_is_changed_is_read_anew(pictures: Path) -> None:
    name = write(pictures / "t.csv", listed())
    before = load(name, SMALL)
    swapped = [(path, {"colour4": "colour5", "colour5": "colour4"}.get(label, label)) for path, label in listed()]
    write(pictures / "t.csv", swapped)
    assert colours(load(name, SMALL)) == {**EVERY, "colour4": [5] * 3, "colour5": [4] * 3}
    write(pictures / "t.csv", listed())
    assert load(name, SMALL).train.fingerprint == before.train.fingerprint
    Image.new("RGB", (30, 30), (120, 0, 0)).save(pictures / "colour1" / "a.png")
    assert sorted(colours(load(name, SMALL))["colour1"]) == [1, 1, 3]


def test_a_column_splits_classes_where_no_class_is_in_two_parts(pictures: Path) -> None:
    part = ("train", "train", "val", "val", "test", "TEST")
    rows = [(path, label, part[int(label[-1])]) for path, label in listed()]
    dataset = load(write(pictures / "t.csv", rows, "file,label,split"), SMALL)
    assert dataset.split == "table"
    assert [bank.class_names[0] for bank in (dataset.train, dataset.validation, dataset.test)] == [
        *("colour0", "colour2", "colour4")
    ]
    assert load(f"table:{pictures / 't.csv'}", DataOptions(image_size=16, split="seed=1")).split == "seed=1"
    with pytest.raises(DataError, match="has classes for test and train and none for validation; add some there"):
        load(write(pictures / "t.csv", [row for row in rows if row[2] != "val"], "file,label,split"), SMALL)
    with pytest.raises(DataError, match=r"line 2: there is no split 'tset'; did you mean 'test'"):
        load(write(pictures / "t.csv", [(*rows[0][:2], "tset")], "file,label,split"), SMALL)


def split_zhou(**parts: Sequence[str]) -> dict[str, list[list[Any]]]:
    """Of each class the pictures of these names, in each part."""
    return {
        part: [[f"colour{number}/{name}", number, f"hue {number}"] for number in range(6) for name in names]
        for part, names in parts.items()
    }


def test_a_published_split_of_items(pictures: Path) -> None:
    """Of pictures in a folder below that of the file, as EuroSAT's in 2750."""
    root = pictures.parent / "eurosat"
    root.mkdir()
    pictures.rename(root / "2750")
    content = split_zhou(train=["a.png"], val=["b.png"], test=["more/c.JPG"])
    (root / "split_zhou_EuroSAT.json").write_text(json.dumps(content))
    dataset = load(f"table:{root}", SMALL)
    assert (dataset.name, dataset.split) == ("table:eurosat", "small-seed=0")
    hues = {f"hue {number}": [number] * 3 for number in range(6)}
    assert colours(dataset) == hues
    content = split_zhou(train=["a.png", "b.png"], test=["more/c.JPG"])
    (root / "split_zhou_EuroSAT.json").write_text(json.dumps(content))
    every = all_way(f"table:{root}", SMALL)
    assert (every.name, every.test.class_names) == ("table:eurosat", tuple(hues))
    assert (every.train.class_sizes, every.test.held_out) == ((2,) * 6, (1,) * 6)
    for number in range(6):  # pictures of one colour, which JPEG changes by a little
        drawn = Image.open(root / "2750" / f"colour{number}" / "more" / "c.JPG").getpixel((0, 0))
        assert tuple(every.test.images[3 * number + 2, :, 8, 8].tolist()) == drawn
    _, found = load_data(make_config(dataset=f"table:{root}", task="all-way", shots=1, image_size=16))
    assert found.test.fingerprint == every.test.fingerprint


def test_validation_trains_in_a_table_and_not_in_a_published_split(pictures: Path) -> None:
    content = split_zhou(train=["a.png", "b.png"], test=["more/c.JPG"])
    for number in range(6):
        Image.new("RGB", (20, 20), (40 * number, 9, 9)).save(pictures / f"colour{number}" / "v.png")
    content["val"] = split_zhou(val=["v.png"])["val"]
    (pictures / "split.json").write_text(json.dumps(content))
    assert all_way(f"table:{pictures / 'split.json'}", SMALL).train.class_sizes == (2,) * 6
    rows = [(path, label, part) for part, items in content.items() for path, _, label in items]
    table = write(pictures / "t.csv", rows, "file,label,split")
    assert all_way(table, SMALL).train.class_sizes == (3,) * 6
    rest = write(pictures / "rest.csv", [row for row in rows if row[2] != "test"], "file,label,split")
    with pytest.raises(DataError, match="has no row whose split is test; add some"):
        all_way(rest, SMALL)
    alone = write(pictures / "t.csv", [row for row in rows if row[1:] != ("hue 2", "test")], "file,label,split")
    with pytest.raises(DataError, match=r"has class 'hue 2' \(1 in all\) in train alone.*; add images of it"):
        all_way(alone, SMALL)
    with pytest.raises(DataError, match="has no split 'seed=1'"):
        all_way(table, DataOptions(image_size=16, split="seed=1"))


def test_without_a_split_one_half_of_each_class_is_for_test(pictures: Path) -> None:
    every = all_way(write(pictures / "t.csv", listed()), SMALL)
    assert (every.train.class_sizes, every.test.held_out) == ((2,) * 6, (1,) * 6)
    assert [colour(every.test, row) for row in range(18)] == [row // 3 for row in range(18)]


def test_all_classes_are_tested_on(pictures: Path) -> None:
    whole = load(write(pictures / "t.csv", listed()), DataOptions(image_size=16, split="all"))
    assert whole.test.class_names == tuple(EVERY)
    assert [colour(whole.test, row) for row in range(18)] == [row // 3 for row in range(18)]


def refusal(table: Path, content: str) -> str:
    """What is said of a table with that content."""
    table.write_text(content)
    with pytest.raises(DataError) as caught:
        load(f"table:{table}", SMALL)
    return str(caught.value)


ROWS: dict[str, str] = {
    "../a.png,x": "line 2: the path '../a.png' does not begin below the table's folder, or has '..'; write where",
    "colour0/../../a.png,x": "line 2: the path 'colour0/../../a.png' does not begin below the table's folder",
    "/etc/a.png,x": "line 2: the path '/etc/a.png' does not begin below the table's folder",
    "..\\a.png,x": "line 2: the path '../a.png' does not begin below the table's folder",
    "C:\\a.png,x": "line 2: the path 'C:/a.png' does not begin below the table's folder",
    "~/a.png,x": "line 2: the path '~/a.png' does not begin below the table's folder",
    ",x": "line 2: no picture; give its path, or remove the row",
    "./,x": "line 2: no picture; give its path",
    "colour0/a.png,": "line 2: no label; give it one, or remove the row",
    "colour0/a.png": "line 2: 1 field, and the header has 2",
    "colour0/a.png,x\n\ncolour0/none.png,x\nnone.heic,x": "lists 2 of 3 pictures that are nowhere in ",
    "colour0/a.png,x\ncolour0/a,y": "line 3: the picture 'colour0/a' is in class 'y', and in class 'x' before (line 2)",
    "colour0/a.png,x\0": "has a NUL character in line 2",
    "": "lists no pictures; give it rows with a picture and its class",
    '"colour0/a.png,x': "the row of line 2: unexpected end of data",
}


@pytest.mark.parametrize("content", ROWS, ids=range(len(ROWS)))
def test_what_is_wrong_with_a_row_is_said_in_one_line(content: str, pictures: Path) -> None:
    said = refusal(pictures / "t.csv", f"file,label\n{content}\n" if content else "file,label\n")
    assert ROWS[content] in said
    assert "\n" not in said


HEADERS = {
    "fle_name,label": "no column of the pictures' files: found columns 'fle_name', 'label'; rename 'fle_name' to",
    "file,lebel": "no column of classes, nor columns of 0 and 1 for each class: found columns 'file', 'lebel'; rename",
    "file;label": "no column of the pictures' files: found columns 'file;label'; name the columns in the first line",
    "": "no column of the pictures' files: found an empty first line; name the columns",
    "file,label,splits": "has column 'splits'; rename it to 'split', or to a name that is not alike",
    "file,label,Label": "has both a column 'label' and a column 'Label'; leave one of them",
    "file,label,file": "has column 'file' 2 times; leave it once",
    'file,"label': "the row of line 1: unexpected end of data",
}


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
def test_the_columns_that_are_needed_are_named(header: str, pictures: Path) -> None:
    assert HEADERS[header] in refusal(pictures / "t.csv", header)


JSON: dict[str, str] = {
    "[]": 'must be {"train": [[path, number, class], ...], "val": [...], "test": [...]}; found list',
    '{"tran": []}': "; found 'tran'; did you mean 'train'?",
    '{"train": {}}': "; 'train' is {}",
    '{"train": [["a.png", 0]]}': "; entry 1 of 'train' is ['a.png', 0]",
    '{"train": [["a.png", true, "x"]]}': "; entry 1 of 'train' is ",
    '{"train": [["a.png", 0, "x"], ["b.png", 0, "y"]]}': "entry 2 of 'train': class 0 is called 'y', and 'x' before",
    '{"train": [["a.png", 0, "x"]], "val": [["b.png", 1, "x"]]}': "class 1 is called 'x', and so is class 0",
    '{"train": [["../a.png", 0, "x"]]}': "the path '../a.png' does not begin below the table's folder",
    '{"train": [["colour0/a.png", 0, "x"]], "test": [["colour0/a.png", 0, "x"]]}': "part 'test', and in part 'train'",
    '{"train": [["\\ud800.png", 0, "x"]]}': "lists 1 of 1 pictures that are nowhere in",
    '{"train": []}': "lists no pictures",
    "{": "is not valid JSON",
}


@pytest.mark.parametrize("content", JSON, ids=range(len(JSON)))
def test_what_is_wrong_with_a_published_split_is_said(content: str, pictures: Path) -> None:
    said = refusal(pictures / "s.json", content)
    assert JSON[content] in said
    assert "\n" not in said.encode("ascii").decode()


def test_a_list_that_is_too_long_is_refused(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (pictures / "s.json").write_text(json.dumps(split_zhou(train=["a.png"])))
    name = write(pictures / "t.csv", listed())
    monkeypatch.setattr(picture_list, "MOST_ROWS", 7)
    with pytest.raises(DataError, match="has more than 7 rows, and no list of pictures has so many"):
        load(name, SMALL)
    monkeypatch.setattr(picture_table, "MOST_JSON", 50)
    with pytest.raises(DataError, match="has more than 50 characters; give "):
        load(f"table:{pictures / 's.json'}", SMALL)
    monkeypatch.setattr(picture_table, "MOST_BYTES", 50)
    with pytest.raises(DataError, match=r"has \d+ bytes, and no list of pictures is so large; name another"):
        load(name, SMALL)


def test_what_is_listed_again_and_copies_are_warned_of(pictures: Path) -> None:
    again = write(pictures / "t.csv", [*listed(), listed()[0], ("colour0/a", "colour0")])
    with pytest.warns(UserWarning, match=r"t.csv' lists 2 pictures again; each is read once"):
        assert colours(load(again, SMALL)) == EVERY
    shutil.copy(pictures / "colour0" / "a.png", pictures / "d.png")
    name = write(pictures / "t.csv", [*listed(), ("d.png", "colour1")])
    for _ in ("decoded", "from the cache"):
        with pytest.warns(UserWarning, match=r"has 1 picture with the content of others in different classes, such as"):
            load(name, SMALL)
    load(write(pictures / "t.csv", listed()), SMALL)  # what is not listed is not warned of


def test_what_is_not_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file '/no/such'; --dataset table:FILE needs a table of pictures"):
        load("table:/no/such")
    with pytest.raises(DataError, match="is not UTF-8, and no record could hold it; rename it"):
        load("table:\udcff.csv")
    with pytest.raises(DataError, match="there is no dataset 'table'; did you mean 'table:FILE'"):
        load("table")
    (tmp_path / "a.csv").write_bytes(b"file,label\n\xff,x\n")
    with pytest.raises(DataError, match=r"a.csv' is not UTF-8: its byte 12 \(0xFF\)"):
        load(f"table:{tmp_path / 'a.csv'}")
