"""That no test class is trained on under another name."""

from dataclasses import replace
from pathlib import Path

import pytest

from episodes import DataError, DataOptions, Dataset, ImageBank, load
from episodes.datasets.combine import cross_domain, mix
from episodes.datasets.overlap import class_of, same_source


def renamed(bank: ImageBank, prefix: str) -> ImageBank:
    return replace(bank, class_names=tuple(f"{prefix}{number}" for number in range(bank.classes)))


def test_the_same_images_under_other_names_are_refused(toy: Dataset) -> None:
    other = replace(toy, name="other", split="seed=1", test=renamed(toy.validation, "new"))
    message = "test class 'new0' of 'other', split seed=1, is in training or validation by 'toy', split fixed; choose"
    with pytest.raises(DataError, match=message):
        cross_domain(toy, other)
    with pytest.raises(DataError, match=message):
        mix([other, replace(toy, train=renamed(toy.train, "a"))])
    assert cross_domain(toy, replace(toy, name="again")).test.classes == toy.test.classes


def test_a_few_images_that_are_alike_are_no_class_that_is(toy: Dataset) -> None:
    """Large datasets have doubled pictures."""
    images = toy.test.images.clone()
    images[:10] = toy.train.images[:10]
    cross_domain(toy, replace(toy, test=replace(toy.test, images=images)))
    images[10] = toy.train.images[10]
    with pytest.raises(DataError, match="test class 'test0' of 'toy'"):
        cross_domain(toy, replace(toy, test=replace(toy.test, images=images)))


def test_names_count_in_datasets_of_the_same_photographs(toy: Dataset) -> None:
    names = ("goose, honker", *(f"other{number}" for number in range(7)))
    tiered = replace(toy, name="tiered-imagenet", train=replace(toy.train, class_names=names))
    mini = replace(toy, name="mini-imagenet", test=replace(toy.test, class_names=("Goose", *toy.test.class_names[1:])))
    smaller = replace(mini, test=mini.test.fitted((3, 20, 20)))
    with pytest.raises(DataError, match="test class 'Goose' of 'mini-imagenet', split fixed, is in training"):
        cross_domain(tiered, smaller)
    cross_domain(replace(tiered, name="folder:mine"), smaller)


def test_which_datasets_are_of_one_source() -> None:
    for first, second, same in [
        ("glyphs", "glyphs", True),
        ("omniglot+glyphs", "glyphs", True),
        ("emoji", "emoji:augmented", True),
        ("cifar-fs", "omniglot+fc100", True),
        ("mini-imagenet", "cifar-fs", False),
        ("folder:a", "folder:b", False),
    ]:
        assert same_source(first, second) == same_source(second, first) == same, (first, second)


def test_names_of_one_class() -> None:
    names = ["goose, honker", "Goose", "mini-imagenet:goose", "goose/rot090"]
    assert {class_of(name) for name in names} == {"goose"}
    assert class_of("latin/a") != class_of("latin/b")


def test_omniglots_splits_overlap_one_way(data_root: Path) -> None:
    """Vinyals' training has characters of Lake's evaluation alphabets; what is left of these is Vinyals' test."""
    options = DataOptions(data_root=data_root)
    vinyals, lake = (load("omniglot", replace(options, split=split)) for split in ("vinyals", "lake"))
    with pytest.raises(DataError, match=r"'omniglot', split lake, is in training or validation by 'omniglot', split v"):
        cross_domain(vinyals, lake)
    assert cross_domain(lake, vinyals).test.classes == 423
