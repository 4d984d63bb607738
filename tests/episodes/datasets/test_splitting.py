import json
from pathlib import Path

import pytest
import torch

from episodes import DataError, DataOptions, ImageBank, load
from episodes.datasets.splitting import part_called, split_classes, split_key


def animals(count: int) -> ImageBank:
    names = tuple(f"animal{number:02}" for number in range(count))
    images = torch.arange(count, dtype=torch.uint8).view(-1, 1, 1, 1)
    return ImageBank("animals", images, names, (1,) * count, names)


def names(dataset: object) -> list[tuple[str, ...]]:
    return [getattr(dataset, part).class_names for part in ("train", "validation", "test")]


def test_a_shuffle_gives_every_class_to_one_part_in_the_stated_shares() -> None:
    parts = names(split_classes(animals(100), None))
    assert [len(part) for part in parts] == [64, 16, 20]
    assert sorted(name for part in parts for name in part) == list(animals(100).class_names)
    assert parts == names(split_classes(animals(100), "seed=0"))
    assert parts != names(split_classes(animals(100), "seed=1"))


def test_the_smallest_dataset_has_two_classes_a_part() -> None:
    assert [len(part) for part in names(split_classes(animals(6), None))] == [2, 2, 2]
    with pytest.raises(DataError, match="'animals' has 5 classes; train, validation and test need at least 6"):
        split_classes(animals(5), None)


def test_all_classes_may_be_for_test_however_few_they_are() -> None:
    dataset = split_classes(animals(3), "all")
    assert dataset.split == "all"
    assert names(dataset) == [animals(3).class_names] * 3
    assert dataset.test.fingerprint == animals(3).fingerprint


def test_the_images_go_with_their_classes() -> None:
    dataset = split_classes(animals(10), None)
    for bank in (dataset.train, dataset.validation, dataset.test):
        assert [f"animal{pixel:02}" for pixel in bank.images.flatten()] == list(bank.class_names)


def test_a_list_is_followed_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"train": ["animal03", "animal01"], "validation": ["animal00"], "test": ["animal02"]}))
    dataset = split_classes(animals(5), str(file))
    assert names(dataset) == [("animal03", "animal01"), ("animal00",), ("animal02",)]
    assert dataset.split == "mine.json"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"train": ' + 5000 * "1" + "}", "is not valid JSON: it has a number of thousands of digits"),
        ('{"train": ["animal01"], "train": ["animal02"]}', "mine.json' has the key 'train' twice; leave it once"),
        ("[]", "must hold lists of class names under train, validation and test"),
        ('{"train": ["animal01"], "validation": ["animal02"]}', "must hold lists"),
        ('{"train": [], "validation": ["animal02"], "test": ["animal03"]}', "must hold lists"),
        ('{"train": "animal01", "validation": ["animal02"], "test": ["animal03"]}', "must hold lists"),
        (
            '{"train": ["animal1"], "validation": ["animal02"], "test": ["animal03"]}',
            r"'animals' has no class 'animal1'; did you mean 'animal\d\d'\?",
        ),
        (
            '{"train": ["animal02"], "validation": ["animal02"], "test": ["animal03"]}',
            "class 'animal02' is in train and in validation; leave it in one",
        ),
    ],
)
def test_bad_lists_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "mine.json"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        split_classes(animals(6), str(file))


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_bytes(b"\xff\xd8\xff\xe0 a picture")
    assert split_key(str(file)) != split_key(None)
    with pytest.raises(DataError, match=r"--split '.*mine.json' is not valid JSON: 'utf-8' codec can't decode"):
        split_classes(animals(6), str(file))


PUBLISHED = {
    "glyphs": ", or give scripts-2",
    "omniglot": ", or give vinyals, lake, one-shot",
    **dict.fromkeys(("mini-imagenet", "tiered-imagenet", "cifar-fs", "fc100", "cub"), ""),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_split_is_not_replaced_by_a_list(name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"train": ["a"], "validation": ["b"], "test": ["c"]}')
    message = f"{name} has its published split, which a list, --split '.*mine.json', cannot replace; leave --split out"
    with pytest.raises(DataError, match=f"{message}{PUBLISHED[name]}$"):
        load(name, DataOptions(tmp_path, split=str(file), download=False))


def test_missing_files_and_unknown_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot read --split .*No such file"):
        split_classes(animals(6), str(tmp_path / "none.json"))
    with pytest.raises(DataError, match=r"'animals' has no split 'ravi'; give seed=N, small-seed=N, or a .json file"):
        split_classes(animals(6), "ravi")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        *[("Training", "train"), ("base", "train"), ("meta-train", "train"), ("0_train", "train")],
        *[("1. Val", "validation"), ("metaval", "validation"), ("dev", "validation")],
        *[("novel", "test"), ("2_META_TEST", "test")],
        *[("metal", None), ("testament", None), ("0_", None), ("train2", None)],
    ],
)
def test_what_parts_are_called(name: str, part: str | None) -> None:
    assert part_called(name) == part
