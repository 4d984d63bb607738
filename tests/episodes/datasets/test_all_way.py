"""All classes at once: what is held out, of published test texts and of halves."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from episodes import DataError, DataOptions, Dataset, ImageBank, load
from episodes.banks.text import TextBank
from episodes.datasets.all_way import all_way
from episodes.datasets.item_split import halves
from episodes.sampling.sampler import sampler
from episodes.tasks.all_way import AllWayTask

SPLITS = [("test", 0), ("train", 0), ("train", 1), ("test", 1), ("train", 2)]


def letters(*sizes: int) -> TextBank:
    """Texts `a0`, `a1`, … of class `a`, and so on."""
    names = [chr(97 + number) for number in range(len(sizes))]
    texts = [f"{name}{number}" for name, size in zip(names, sizes, strict=True) for number in range(size)]
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    return TextBank.from_labels("letters", texts, labels, names, ["vowel", *["other"] * (len(sizes) - 1)])


def test_halves_have_every_item_once_and_every_class_twice() -> None:
    bank = letters(5, 8, 3)
    training, test = halves(bank)
    assert (training.class_sizes, test.class_sizes) == ((3, 4, 2), (2, 4, 1))
    assert training.class_names == test.class_names == bank.class_names
    assert training.groups == bank.groups
    assert sorted([*training.texts(), *test.texts()]) == sorted(bank.texts())
    for half in (training, test):
        for text, label in zip(half.texts(), half.labels.tolist(), strict=True):
            assert text[0] == half.class_names[label]


def test_halves_follow_from_the_content_alone_and_are_shuffled() -> None:
    bank = letters(40, 40)
    again = halves(replace(bank, name="other"))
    assert [half.fingerprint for half in halves(bank)] == [half.fingerprint for half in again]
    assert list(again[0].texts())[:20] != [f"a{number}" for number in range(20)]
    assert again[0].fingerprint != halves(letters(40, 41))[0].fingerprint


def test_a_class_with_too_few_items_is_named() -> None:
    with pytest.raises(DataError, match="class 'b' of 'letters' has 2 texts, and --task all-way needs at least 3 of"):
        halves(letters(5, 2))


def test_pictures_have_their_test_classes_halved(glyphs: Dataset[ImageBank]) -> None:
    dataset = all_way("glyphs")
    assert dataset.split == "all classes"
    assert {bank.class_names for bank in (dataset.train, dataset.validation, dataset.test)} == {glyphs.test.class_names}
    assert (set(dataset.train.class_sizes), set(dataset.test.class_sizes)) == ({20}, {40})
    assert set(dataset.validation.held_out) == {6}  # a third of 20
    assert set(dataset.test.held_out) == {20}
    assert not dataset.train.held_out
    assert [bank.name for bank in (dataset.train, dataset.test)] == ["glyphs/train", "glyphs/test"]
    place = 20 + 40 * 7  # the first query of the eighth class
    assert dataset.test.images[place - 20 : place].equal(dataset.train.images[140:160])
    own = glyphs.test.images[40 * 7 : 40 * 8].flatten(1)
    assert sorted(own.tolist()) == sorted(dataset.test.images[40 * 7 : 40 * 8].flatten(1).tolist())


def test_a_task_of_all_classes_is_drawn_from_it(tmp_path: Path) -> None:
    rows = "".join(f"{label} {split} {number},{label},{split}\n" for label in "abc" for split, number in SPLITS)
    (tmp_path / "made.csv").write_text("text,label,split\n" + rows)
    dataset = all_way(f"csv:{tmp_path / 'made.csv'}", DataOptions())
    assert dataset.name == "csv:made.csv"
    drawn = sampler(dataset.test, AllWayTask(shots=2), 0, torch.device("cpu")).drawn([0])
    assert drawn.support.shape == (1, 6)
    queries = [dataset.test.text(row) for row in drawn.query[0].tolist()]
    assert queries == [f"{label} test {number}" for label in "abc" for number in (0, 1)]
    assert all(" train " in dataset.test.text(row) for row in drawn.support[0].tolist())


def test_what_has_no_classes_or_is_several_datasets_is_refused() -> None:
    with pytest.raises(DataError, match=r"--task all-way takes one dataset, and --dataset glyphs\+omniglot is 2; name"):
        all_way("glyphs+omniglot")
    with pytest.raises(
        DataError, match="--task all-way does not go with --dataset sinusoid, whose tasks are functions"
    ):
        all_way("sinusoid")


def test_options_of_another_kind_are_refused(tmp_path: Path) -> None:
    for asked in (load, all_way):
        for setting, number in {"image_size": 32, "channels": 1}.items():
            option = f"--{setting.replace('_', '-')} does not go with --dataset banking77, whose items are texts; leave"
            with pytest.raises(DataError, match=option):
                asked("banking77", DataOptions(tmp_path, **{setting: number}))
        with pytest.raises(DataError, match="--max-tokens does not go with --dataset glyphs, whose items are images"):
            asked("glyphs", DataOptions(max_tokens=64))
        for number in (7, 513):
            with pytest.raises(DataError, match=f"--max-tokens {number} is not possible; give 8 to 512"):
                asked("banking77", DataOptions(tmp_path, max_tokens=number))


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for asked in (load, all_way):
        with pytest.raises(DataError, match=r"dataset 'banking77' needs the package tokenizers.*; pip install \"meta"):
            asked("banking77")
