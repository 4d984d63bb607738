"""CIFAR-FS, FC100, CUB and tiered-ImageNet: the lists of their classes, and small files of the sources' own formats."""

import io
import pickle
import shutil
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR100

from episodes import DataError, DataOptions, Dataset, load
from episodes.datasets.images.tiered_imagenet import class_name
from episodes.datasets.splitting import PARTS, published

SUPERCLASSES: dict[str, str] = published("cifar100_superclasses")["superclasses"]


def banks(dataset: Dataset) -> list[Any]:
    return [getattr(dataset, part) for part in PARTS]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("mini-imagenet", (64, 16, 20)),
        ("cifar-fs", (64, 16, 20)),
        ("fc100", (60, 20, 20)),
        ("cub", (100, 50, 50)),
    ],
)
def test_the_lists_have_the_published_numbers_of_classes(name: str, counts: tuple[int, int, int]) -> None:
    content = published(name)
    assert tuple(len(content[part]) for part in PARTS) == counts
    assert len({each for part in PARTS for each in content[part]}) == sum(counts)
    assert content["source"]


def test_superclasses_are_whole_where_they_should_be() -> None:
    fc100 = published("fc100")
    superclasses = [{SUPERCLASSES[each] for each in fc100[part]} for part in PARTS]
    assert [len(each) for each in superclasses] == [12, 4, 4]
    assert len(set.union(*superclasses)) == 20
    assert "people" in superclasses[1] | superclasses[2]
    assert sorted(each for part in PARTS for each in published("cifar-fs")[part]) == sorted(SUPERCLASSES)


def test_birds_are_split_by_their_number() -> None:
    """Chen et al. 2019: even numbers (from 0) train, 1 modulo 4 validate, 3 modulo 4 test."""
    content = published("cub")
    for part, numbers in {"train": {0, 2}, "validation": {1}, "test": {3}}.items():
        assert {(int(name[:3]) - 1) % 4 for name in content[part]} == numbers


@pytest.fixture
def cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-100's own files with two images per class in training and one in test, the class as their shade."""
    folder = tmp_path / CIFAR100.base_folder
    folder.mkdir()
    fine = sorted(SUPERCLASSES)
    coarse = sorted(set(SUPERCLASSES.values()))
    made = {"meta": {"fine_label_names": fine, "coarse_label_names": coarse}}
    for part, count in (("train", 200), ("test", 100)):
        labels = [number % 100 for number in range(count)]
        made[part] = {
            "data": np.repeat(np.array(labels, np.uint8)[:, None], 3072, axis=1),
            "fine_labels": labels,
            "coarse_labels": [coarse.index(SUPERCLASSES[fine[label]]) for label in labels],
        }
    for part, content in made.items():
        (folder / part).write_bytes(pickle.dumps(content))
    digests = {part: md5((folder / part).read_bytes()).hexdigest() for part in made}
    monkeypatch.setattr(CIFAR100, "train_list", [["train", digests["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", digests["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": digests["meta"]})
    return tmp_path


@pytest.mark.parametrize("name", ["cifar-fs", "fc100"])
def test_cifar_100_is_split_by_name(name: str, cifar: Path) -> None:
    dataset = load(name, DataOptions(data_root=cifar))
    assert [list(bank.class_names) for bank in banks(dataset)] == [published(name)[part] for part in PARTS]
    fine = sorted(SUPERCLASSES)
    for bank in banks(dataset):
        assert set(bank.class_sizes) == {3}
        assert bank.item_shape == (3, 32, 32)
        assert bank.groups == tuple(SUPERCLASSES[each] for each in bank.class_names)
        shades = [fine.index(each) for each in bank.class_names for _ in range(3)]
        assert bank.images[:, 2, 5, 7].tolist() == shades
    assert load(name, DataOptions(data_root=cifar, image_size=40, channels=1)).test.item_shape == (1, 40, 40)


def test_what_is_wrong_with_cifar_100_is_said(cifar: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DataError, match="cifar-fs has no split 'x', only the published one; leave --split out"):
        load("cifar-fs", DataOptions(data_root=cifar, split="x"))
    (cifar / CIFAR100.base_folder / "test").write_bytes(b"other")
    with pytest.raises(DataError, match="is not complete: its checksums are not CIFAR-100"):
        load("fc100", DataOptions(data_root=cifar))
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match=r"fc100 needs the folder cifar-100-python of https.* in '.*'; put them there"):
        load("fc100", DataOptions(data_root=empty, download=False))


def test_birds_are_read_from_their_folder(tmp_path: Path) -> None:
    content = published("cub")
    for number, name in enumerate(sorted(each for part in PARTS for each in content[part])):
        (tmp_path / "CUB_200_2011" / "images" / name).mkdir(parents=True)
        Image.new("RGB", (60, 40), (number, 0, 0)).save(tmp_path / "CUB_200_2011" / "images" / name / "a.png")
    dataset = load("cub", DataOptions(data_root=tmp_path, image_size=16))
    assert [list(bank.class_names) for bank in banks(dataset)] == [content[part] for part in PARTS]
    assert dataset.test.images[:, 0, 8, 8].tolist() == [int(name[:3]) - 1 for name in content["test"]]
    shutil.make_archive(str(tmp_path / "CUB_200_2011"), "gztar", tmp_path, "CUB_200_2011")
    (tmp_path / "CUB_200_2011.tar.gz").rename(tmp_path / "CUB_200_2011.tgz")
    shutil.rmtree(tmp_path / "CUB_200_2011")
    with pytest.raises(DataError, match=r"CUB_200_2011.tgz' is not the archive that was published \(MD5 97ecee"):
        load("cub", DataOptions(data_root=tmp_path))
    (tmp_path / "CUB_200_2011.tgz").unlink()
    with pytest.raises(DataError, match=r"cub needs CUB_200_2011.tgz of https.* in '.*'; put it there"):
        load("cub", DataOptions(data_root=tmp_path))


TIERED: dict[str, Any] = published("tiered-imagenet")
FILES = {"train": "train", "val": "validation", "test": "test"}  # of tiered-ImageNet's parts


def wnids(part: str) -> list[str]:
    """The classes of a part of tiered-ImageNet, as its authors' files mix them: the last first."""
    return [wnid for superclass in TIERED[FILES[part]] for wnid in TIERED["superclasses"][superclass]][::-1]


def labels_of(part: str, labels: Any, **changes: Any) -> dict[str, Any]:
    superclasses = TIERED[FILES[part]]
    return {
        "label_specific": labels,
        "label_general": labels % len(superclasses),  # which is not looked at
        "label_specific_str": [TIERED["names"][wnid] for wnid in wnids(part)],
        "label_general_str": dict(enumerate(superclasses)) if part == "train" else superclasses,
        **changes,
    }


def test_tiered_imagenets_list_has_the_published_numbers() -> None:
    """Ren et al. 2018, table 3 in appendix A; no class is in two superclasses, none of them in two parts."""
    assert [len(TIERED[part]) for part in PARTS] == [20, 6, 8]
    assert [len(wnids(part)) for part in FILES] == [351, 97, 160]
    assert sorted(wnid for part in FILES for wnid in wnids(part)) == sorted(TIERED["names"])
    assert len({class_name(words) for words in TIERED["names"].values()}) == 608
    assert len({class_name(words) for words in TIERED["superclasses"]}) == 34
    assert set(published("mini-imagenet")["names"]) & set(TIERED["names"])
    assert (TIERED["names"]["n02099601"], class_name("golden retriever")) == ("golden retriever", "golden_retriever")


@pytest.mark.parametrize("form", ["png", "npz"])
def test_tiered_imagenet_is_read_from_its_authors_files(tmp_path: Path, form: str) -> None:
    for part in FILES:
        labels = np.arange(len(wnids(part))).repeat(2)
        content = labels_of(part, labels)
        (tmp_path / f"{part}_labels.pkl").write_bytes(pickle.dumps(content, protocol=2))
        images = np.repeat((labels % 256).astype(np.uint8), 84 * 84 * 3).reshape(-1, 84, 84, 3)
        images[..., 2] = 7  # blue
        if form == "npz":
            np.savez(tmp_path / f"{part}_images.npz", images=images[..., ::-1])
        else:
            encoded = []
            for image in images:
                buffer = io.BytesIO()
                Image.fromarray(image).save(buffer, "png")
                encoded.append(np.frombuffer(buffer.getvalue(), np.uint8))
            (tmp_path / f"{part}_images_png.pkl").write_bytes(pickle.dumps(encoded, protocol=2))
    dataset = load("tiered-imagenet", DataOptions(data_root=tmp_path))
    assert [bank.classes for bank in banks(dataset)] == [351, 97, 160]
    assert (dataset.test.class_names[0], dataset.test.groups[0]) == ("pomegranate", "solid")
    assert dataset.test.class_names[-1] == "face_powder"
    number = dataset.train.class_names.index("brambling")
    assert dataset.train.groups[number] == "passerine"
    assert [len(set(bank.groups)) for bank in banks(dataset)] == [20, 6, 8]
    assert (dataset.name, dataset.validation.name) == ("tiered-imagenet", "tiered-imagenet/validation")
    assert dataset.train.images[:, 0, 0, 0].tolist() == [number % 256 for number in range(351) for _ in range(2)]
    assert set(dataset.train.images[:, 2, 0, 0].tolist()) == {7}


def test_what_is_wrong_with_tiered_imagenet_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiered-imagenet is not in '.*': put train_images_png.pkl"):
        load("tiered-imagenet", DataOptions(data_root=tmp_path))


def write_tiered(root: Path, contents: dict[str, Any]) -> None:
    for part in FILES:
        labels = np.arange(len(wnids(part)))
        (root / f"{part}_labels.pkl").write_bytes(pickle.dumps(contents.get(part, labels_of(part, labels))))
        np.savez(root / f"{part}_images.npz", images=np.zeros((len(labels), 84, 84, 3), np.uint8))


TRAIN, VAL = np.arange(351), np.arange(97)
FIRST = [TIERED["names"][wnid] for wnid in wnids("val")]


@pytest.mark.parametrize(
    ("part", "content", "message"),
    [
        ("train", labels_of("val", VAL), "train_labels.pkl' holds the classes of val, not those of train; put it in"),
        ("val", labels_of("train", TRAIN), "val_labels.pkl' holds the classes of train, not those of val; put it in"),
        (
            "val",
            labels_of("val", VAL, label_specific_str=["a", *FIRST[1:]]),
            "tiered-ImageNet's val has 97, of which it lacks 1, 'trailer_truck' first and has 'a' beside them: down",
        ),
        (
            "val",
            labels_of("val", VAL, label_specific_str=FIRST[1:]),
            "labels.pkl' has 96 classes; tiered-ImageNet's val has 97, of which it lacks 1, 'trailer_truck' first: d",
        ),
        (
            "val",
            labels_of("val", VAL, label_specific_str=[*FIRST, FIRST[0]]),
            "has 98 classes; .* has some twice: down",
        ),
        (
            "val",
            labels_of("val", VAL, label_general_str=TIERED["test"]),
            "val_labels.pkl' has other superclasses than tiered-ImageNet's val, 'aquatic_vertebrate' first; download",
        ),
        ("val", labels_of("val", VAL + 1), "does not label: 97 labels from 1 to 97; download them again"),
        ("val", labels_of("val", VAL[:-1]), "val_images.npz' has 97 images, .*: 96 labels from 0 to 95; download them"),
        (
            "val",
            {"labels": VAL},
            r"val_labels.pkl' has no class names \(label_specific_str and label_general_str; found labels\), and "
            "numbers alone do not say which class is which; put its authors' val_labels.pkl, which has both, in its "
            "place, or train, val and test as folders of class folders named by WordNet number",
        ),
        (
            "val",
            {"label_specific": VAL, "label_general": VAL},
            "has no class names .* found label_specific, label_general",
        ),
        ("val", VAL, r"has no class names \(.*; found ndarray\), and numbers alone"),
        ("val", [1, 2], r"has no class names \(.*; found list\), and numbers alone"),
        ("val", ["a", [1]], "val_labels.pkl' does not hold the labels as expected"),
        ("val", {"x": VAL}, r"val_labels.pkl' does not hold the labels as expected \('label_specific'\); download"),
    ],
)
def test_other_files_than_tiered_imagenets_are_named(tmp_path: Path, part: str, content: Any, message: str) -> None:
    write_tiered(tmp_path, {part: content})
    with pytest.raises(DataError, match=message) as error:
        load("tiered-imagenet", DataOptions(data_root=tmp_path, image_size=16))
    assert "\n" not in str(error.value)


def test_tiered_imagenet_is_read_from_class_folders(tmp_path: Path) -> None:
    for part in FILES:
        for number, wnid in enumerate(wnids(part)):
            (tmp_path / part / wnid).mkdir(parents=True)
            Image.new("RGB", (20, 20), (number % 256, 0, 7)).save(tmp_path / part / wnid / "a.png")
    dataset = load("tiered-imagenet", DataOptions(data_root=tmp_path, image_size=16))
    assert [bank.classes for bank in banks(dataset)] == [351, 97, 160]
    number = dataset.validation.class_names.index("golden_retriever")
    assert dataset.validation.groups[number] == "sporting_dog"
    assert int(dataset.validation.images[number, 0, 0, 0]) == wnids("val").index("n02099601")
    shutil.move(tmp_path / "val" / "n02099601", tmp_path / "train")
    with pytest.raises(
        DataError, match=r"train' has 352 classes; .* has 'golden_retriever' beside them: download it again"
    ):
        load("tiered-imagenet", DataOptions(data_root=tmp_path, image_size=16))
