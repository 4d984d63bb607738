"""WNUT 2017: the published numbers, and the split of its types that is metabench's own."""

from pathlib import Path

import pytest

from episodes import DataError, DataOptions, load
from episodes.datasets import find
from episodes.datasets.text.spans import all_way_spans

# Derczynski et al. 2017, table 4 for the development part's six types; the files are the shared task's own.
TYPES = ("corporation", "creative-work", "group", "location", "person", "product")
TRAINING, DEVELOPMENT = (221, 140, 264, 548, 660, 142), (34, 105, 39, 74, 470, 114)


def test_all_types_have_the_published_numbers(data_root: Path) -> None:
    dataset = all_way_spans("wnut17", DataOptions(data_root))
    assert dataset.test.class_names == TYPES
    assert dataset.train.class_sizes == TRAINING
    assert (len(dataset.train), dataset.test.held) == (3394, 1009)
    assert tuple(dataset.test.mention_counts[3394:].sum(0)) == DEVELOPMENT
    assert int(dataset.test.lengths[3394:].sum()) == 15733
    adjoining = dataset.test.begins[1:] & (dataset.test.labels.numpy()[1:] == dataset.test.labels.numpy()[:-1])
    assert adjoining.sum() < 0.01 * sum(dataset.test.class_sizes)  # which inside-outside labels cannot tell apart


def test_types_are_split_and_no_sentence_is_in_two_parts(data_root: Path) -> None:
    dataset = load("wnut17", DataOptions(data_root))
    banks = (dataset.train, dataset.validation, dataset.test)
    assert dataset.split == "wnut17"
    assert [bank.class_names for bank in banks] == [
        ("location", "person"),
        ("corporation", "group"),
        ("creative-work", "product"),
    ]
    texts = [text.casefold() for bank in banks for text in bank.texts()]
    assert len(texts) == len(set(texts)) == 1004 + 253 + 291


def test_other_splits_and_places(data_root: Path, tmp_path: Path) -> None:
    other = load("wnut17", DataOptions(data_root, "small-seed=3"))
    assert other.split == "small-seed=3"
    assert sorted(name for bank in (other.train, other.validation, other.test) for name in bank.class_names) == [*TYPES]
    assert find("wnut17", DataOptions(data_root)) == data_root / "text" / "wnut17"
    with pytest.raises(DataError, match=r"wnut17 needs wnut17train.conll, emerging.dev.conll of https"):
        load("wnut17", DataOptions(tmp_path))
    with pytest.raises(DataError, match="wnut17 has no split 'seed=1'"):
        all_way_spans("wnut17", DataOptions(data_root, "seed=1"))


def test_sets_of_words_are_not_mixed(data_root: Path) -> None:
    with pytest.raises(DataError, match="are not mixed"):
        load(f"wnut17+conll:{data_root / 'text' / 'wnut17' / 'wnut17train.conll.gz'}", DataOptions(data_root))
