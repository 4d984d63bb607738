from dataclasses import replace
from pathlib import Path

import pytest
import torch

from episodes import DataError, DataOptions, Dataset, load
from episodes.datasets.combine import cross_domain, mix, named_tasks


def colour(toy: Dataset) -> Dataset:
    """The toy dataset in colours, 32 x 40."""
    banks = {name: getattr(toy, name).fitted((3, 32, 40)) for name in ("train", "validation", "test")}
    return replace(toy, name="colours", **banks)  # type: ignore[arg-type]


def test_a_mix_has_all_classes_under_their_datasets_name(toy: Dataset) -> None:
    mixed = mix([toy, colour(toy)])
    assert mixed.name == "toy+colours"
    assert mixed.train.classes == 16
    assert mixed.train.item_shape == (3, 28, 28)
    assert mixed.train.class_names[0] == "toy:train0"
    assert mixed.train.class_names[8] == "colours:train0"
    assert mixed.train.groups[8] == "colours:toy"
    assert torch.equal(mixed.test.images[:160, 0], toy.test.images[:, 0])


def test_cross_domain_tests_elsewhere_in_the_shape_of_training(toy: Dataset) -> None:
    crossed = cross_domain(toy, colour(toy))
    assert (crossed.name, crossed.split) == ("toy to colours", "fixed to fixed")
    assert crossed.train is toy.train
    assert crossed.validation is toy.validation
    assert crossed.test.item_shape == toy.train.item_shape
    assert crossed.test.class_names == toy.test.class_names


def test_the_least_number_of_queries_holds_and_other_names_stay(toy: Dataset) -> None:
    few, fewer = (
        replace(toy, name="few", queries=5, synonyms={"ovis": "test1"}),
        replace(colour(toy), name="fewer", queries=3),
    )
    assert mix([few, fewer]).queries == cross_domain(few, fewer).queries == 3
    assert mix([toy, few]).queries == cross_domain(few, toy).queries == 5
    assert mix([toy, colour(toy)]).queries is None
    assert cross_domain(few, fewer).synonyms == {"ovis": "test1"}


def test_images_for_queries_alone_are_not_mixed_with_others(toy: Dataset) -> None:
    banks = {part: replace(getattr(toy, part), held_out=(5,) * 8) for part in ("train", "validation", "test")}
    apart = replace(colour(toy), name="apart", **banks)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="'apart' has images for queries alone, and is not mixed with others; name one"):
        mix([toy, apart])


def test_datasets_are_mixed_by_a_plus(data_root: Path, glyphs: Dataset) -> None:
    dataset = load("omniglot+glyphs", DataOptions(data_root=data_root))
    assert dataset.train.classes == 4112 + glyphs.train.classes
    assert torch.equal(dataset.test.images[423 * 20 :], glyphs.test.images)
    with pytest.raises(DataError, match="--split lake does not fit several datasets"):
        load("omniglot+glyphs", DataOptions(data_root=data_root, split="lake"))


def test_named_tasks_take_their_classes_out_of_the_other_splits(toy: Dataset) -> None:
    named = named_tasks(toy, train=[("train1", "test0"), ("train2", "validation3")], test=[("test4", "train5")])
    assert named.train.class_names == ("train1", "test0", "train2", "validation3")
    assert named.test.class_names == ("test4", "train5")
    assert named.validation.class_names == tuple(f"validation{n}" for n in (0, 1, 2, 4, 5, 6, 7))
    number = named.train.class_names.index("test0")
    assert torch.equal(named.train.images[20 * number : 20 * number + 20], toy.test.images[:20])


def test_no_rotation_of_a_test_class_is_trained_on(toy: Dataset) -> None:
    turned = replace(toy, train=toy.train.with_rotations())
    named = named_tasks(turned, test=[("train0", "train3/rot090")])
    left = {name.split("/")[0] for name in named.train.class_names}
    assert left == {f"train{number}" for number in (1, 2, 4, 5, 6, 7)}
    with pytest.raises(DataError, match="class 'train0/rot180' is in a --train-task and in a --test-task"):
        named_tasks(turned, train=[("train0/rot180", "train1")], test=[("train0", "train2")])


def test_only_test_tasks_leave_the_rest_for_training(toy: Dataset) -> None:
    named = named_tasks(toy, test=[("train0", "test1")])
    assert named.train.classes == 7
    assert "train0" not in named.train.class_names
    assert named.test.classes == 2
    assert named.validation is toy.validation


def test_bad_names_are_refused(toy: Dataset) -> None:
    with pytest.raises(DataError, match=r"'toy' has no class 'tran1'; did you mean 'train1'\?"):
        named_tasks(toy, train=[("tran1", "train2")])
    with pytest.raises(DataError, match="class 'test1' is in a --train-task and in a --test-task; leave it in one"):
        named_tasks(toy, train=[("test1", "test2")], test=[("test1", "test3")])
    with pytest.raises(DataError, match="the named tasks leave no class in 'toy/validation'; name fewer"):
        named_tasks(toy, train=[tuple(toy.validation.class_names)])
