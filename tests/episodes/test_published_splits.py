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
from episodes.splitting import PARTS, published

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
    """CIFAR-100's own files with two images a class in training and one in test, the class's number as their shade."""
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
        assert bank.image_shape == (3, 32, 32)
        assert bank.groups == tuple(SUPERCLASSES[each] for each in bank.class_names)
        shades = [fine.index(each) for each in bank.class_names for _ in range(3)]
        assert bank.images[:, 2, 5, 7].tolist() == shades
    assert load(name, DataOptions(data_root=cifar, image_size=40, channels=1)).test.image_shape == (1, 40, 40)


def test_what_is_wrong_with_cifar_100_is_said(cifar: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DataError, match="cifar-fs has no split 'x', only the published one; leave --split out"):
        load("cifar-fs", DataOptions(data_root=cifar, split="x"))
    (cifar / CIFAR100.base_folder / "test").write_bytes(b"other")
    with pytest.raises(DataError, match="is not the whole of CIFAR-100"):
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


@pytest.mark.parametrize("form", ["png", "npz"])
def test_tiered_imagenet_is_read_from_its_authors_files(tmp_path: Path, form: str) -> None:
    for part, classes in {"train": 351, "val": 97, "test": 160}.items():
        labels = np.arange(classes).repeat(2)
        content = {
            "label_specific": labels,
            "label_general": labels // 30,
            "label_specific_str": [f"{part} class {number}" for number in range(classes)],
            "label_general_str": [f"{part} group {number}" for number in range(classes // 30 + 1)],
        }
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
    assert dataset.validation.class_names[50] == "val class 50"
    assert dataset.validation.groups[50] == "val group 1"
    assert dataset.train.images[:, 0, 0, 0].tolist() == [number % 256 for number in range(351) for _ in range(2)]
    assert set(dataset.train.images[:, 2, 0, 0].tolist()) == {7}


def test_what_is_wrong_with_tiered_imagenet_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"tiered-imagenet is not in '.*': put train_images_png.pkl"):
        load("tiered-imagenet", DataOptions(data_root=tmp_path))
    for part in ("train", "val", "test"):
        content = {"label_specific": [0], "label_general": [0], "label_specific_str": ["a"], "label_general_str": ["b"]}
        (tmp_path / f"{part}_labels.pkl").write_bytes(pickle.dumps(content))
        np.savez(tmp_path / f"{part}_images.npz", images=np.zeros((1, 84, 84, 3), np.uint8))
    with pytest.raises(DataError, match=r"train_labels.pkl' has 1 classes; tiered-ImageNet's train has 351: fetch it"):
        load("tiered-imagenet", DataOptions(data_root=tmp_path))
