"""The fixed draws of Zhang et al. 2021: the published texts, from a folder or a zip, and what is wrong with files."""

import shutil
from pathlib import Path

import pytest

from episodes import DataError, DataOptions, load
from episodes.banks.text import hash_text
from episodes.datasets.all_way import all_way
from episodes.datasets.splitting import published

PARTS = ("train", "validation", "test")


@pytest.mark.parametrize(("name", "classes", "queries"), [("banking77", 77, 40), ("clinc150", 150, 30)])
def test_the_draws_are_of_the_published_texts(name: str, classes: int, queries: int, data_root: Path) -> None:
    whole = all_way(name, DataOptions(data_root))
    training = {hash_text(text) for text in whole.train.texts()}
    held = whole.test.held_out_items
    test = sorted(hash_text(text) for text, is_query in zip(whole.test.texts(), held, strict=True) if is_query)
    drawn: dict[int, set[int]] = {}
    for shots in (5, 10):
        dataset = all_way(name, DataOptions(data_root, f"few-shot-{shots}"))
        assert (dataset.name, dataset.split, dataset.shots) == (name, f"few-shot-{shots}", shots)
        assert dataset.train.class_sizes == (shots,) * classes
        assert dataset.test.held_out == (queries,) * classes
        assert dataset.train.class_names == whole.train.class_names
        assert dataset.train.groups == whole.train.groups
        drawn[shots] = {hash_text(text) for text in dataset.train.texts()}
        assert drawn[shots] <= training
        queried = zip(dataset.test.texts(), dataset.test.held_out_items, strict=True)
        assert sorted(hash_text(text) for text, is_query in queried if is_query) == test
    assert drawn[5] < drawn[10]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """banking77's draw of 5 as a folder in `intent-few-shot`."""
    intents = [intent for part in PARTS for intent in published("banking77")[part]]
    for folder, count in (("train_5", 5), ("test", 2)):
        place = tmp_path / "intent-few-shot" / "BANKING77" / folder
        place.mkdir(parents=True)
        rows = [(f"{folder} {number} {intent}", intent) for number in range(count) for intent in intents]
        (place / "seq.in").write_text("".join(f"{text}\n" for text, _ in rows))
        (place / "label").write_text("\r\n".join(intent for _, intent in rows))  # no end of the last line
    return tmp_path


def test_a_folder_and_a_zip_of_it_are_alike(made: Path) -> None:
    options = DataOptions(made, "few-shot-5")
    of_folder = all_way("banking77", options)
    name = of_folder.test.class_names[0]
    assert list(of_folder.test.texts())[:7] == [
        *(f"train_5 {number} {name}" for number in range(5)),
        *(f"test {number} {name}" for number in range(2)),
    ]
    folder = made / "intent-few-shot" / "BANKING77"
    for base in (folder, folder.parent):  # without its own name in the zip, and with it
        shutil.make_archive(str(made / "BANKING77"), "zip", base)
        shutil.move(folder, made / "aside")
        assert all_way("banking77", options).test.fingerprint == of_folder.test.fingerprint
        shutil.move(made / "aside", folder)
        (made / "BANKING77.zip").unlink()


def test_what_is_wrong_with_the_files_is_said(made: Path) -> None:
    with pytest.raises(
        DataError, match=r"--split few-shot-5 needs the folder CLINC150 of .* in '.*intent-few-shot'; put"
    ):
        all_way("clinc150", DataOptions(made, "few-shot-5"))
    with pytest.raises(DataError, match=r"BANKING77' has no train_10/seq.in; download it again"):
        all_way("banking77", DataOptions(made, "few-shot-10"))
    folder, options = made / "intent-few-shot" / "BANKING77", DataOptions(made, "few-shot-5")
    label = folder / "train_5" / "label"
    right = label.read_text()
    first, other = right.splitlines()[:2]
    for written, says in {
        right.replace(first, other, 1): f"has 6 texts of intent '{other}', and it must have 5",
        right.replace(first, "greeting", 1): "has other intents than banking77: 1 differ, 'greeting' first",
        right.rpartition("\n")[0].rstrip(): "has 385 lines in train_5/seq.in and 384 in train_5/label",
        right.replace(first, " ", 1): "has an empty line 1 in train_5/label",
    }.items():
        label.write_text(written)
        with pytest.raises(DataError, match=says):
            all_way("banking77", options)
    label.write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match=r"label' is not UTF-8: its byte 4"):
        all_way("banking77", options)
    (made / "intent-few-shot" / "BANKING77.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"cannot read '.*BANKING77.zip': .*; download it again"):
        all_way("banking77", options)


def test_it_is_for_all_intents_at_once(made: Path) -> None:
    with pytest.raises(
        DataError, match="few-shot-5 of banking77 has the same intents to learn from and for test; give"
    ):
        load("banking77", DataOptions(made, "few-shot-5"))
