"""SICK: pairs of sentences, for all-way tasks alone."""

from pathlib import Path

import pytest

from episodes import DataError, DataOptions, load
from episodes.banks.vocabulary import PARTS
from episodes.datasets.all_way import all_way

HEADER = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"


def test_sick_has_the_published_numbers(data_root: Path) -> None:
    dataset = all_way("sick", DataOptions(data_root))
    assert dataset.test.class_names == ("CONTRADICTION", "ENTAILMENT", "NEUTRAL")
    assert dataset.test.held_out == (720, 1414, 2793)  # Marelli et al. 2014, of 4,927
    assert len(dataset.train) == 4500 + 500
    entailed = dataset.train.class_starts[1]
    assert dataset.train.text(entailed).split(PARTS) == [
        "The young boys are playing outdoors and the man is smiling nearby",
        "The kids are playing outdoors near a man with a smile",
    ]


def write(folder: Path, **rows: str) -> None:
    folder.mkdir(exist_ok=True)
    for part in ("train", "trial", "test_annotated"):
        (folder / f"SICK_{part}.txt").write_text(HEADER + rows.get(part, f"1\tA {part}\tB\t3.0\tNEUTRAL\r\n"))


def test_it_has_no_class_split_and_says_so(tmp_path: Path) -> None:
    write(tmp_path / "sick")
    with pytest.raises(DataError, match=r"sick has 3 classes .*, too few to train on some .* give --task all-way"):
        load("sick", DataOptions(tmp_path))


def test_train_and_trial_are_to_learn_from(tmp_path: Path) -> None:
    write(tmp_path / "sick")
    dataset = all_way("sick", DataOptions(tmp_path))
    assert list(dataset.test.texts()) == [f"A train{PARTS}B", f"A trial{PARTS}B", f"A test_annotated{PARTS}B"]
    assert dataset.test.held_out == (1,)
    assert list(dataset.train.texts()) == [f"A train{PARTS}B", f"A trial{PARTS}B"]


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sick needs SICK_train.txt, .* of https://zenodo.org/records/2787612 in"):
        all_way("sick", DataOptions(tmp_path))
    write(tmp_path / "sick", train="1\tA\tB\t3.0\tMAYBE\n")
    with pytest.raises(DataError, match="line 2: 'MAYBE' is none of CONTRADICTION, ENTAILMENT, NEUTRAL; download"):
        all_way("sick", DataOptions(tmp_path))
    with pytest.raises(DataError, match="sick has no split 'x'"):
        all_way("sick", DataOptions(tmp_path, "x"))
