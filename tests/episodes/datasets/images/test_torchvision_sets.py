import fnmatch
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from episodes import DataError, DataOptions, load
from episodes.datasets.images import torchvision_sets
from episodes.datasets.images.torchvision_sets import SETS


def write_idx(path: Path, array: np.ndarray) -> None:
    """The format of MNIST's files (LeCun): two zeros, type, dimensions, their sizes, the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """Thirty training and twenty test images; a digit's images are filled with 10 times the digit."""
    for part, count in (("train", 30), ("t10k", 20)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.broadcast_to(10 * labels[:, None, None], (count, 28, 28)).astype(np.uint8)
        write_idx(tmp_path / "MNIST" / "raw" / f"{part}-images-idx3-ubyte", images)
        write_idx(tmp_path / "MNIST" / "raw" / f"{part}-labels-idx1-ubyte", labels)
    return tmp_path


def test_official_parts_are_pooled_and_split_by_class(mnist: Path) -> None:
    dataset = load("torchvision:MNIST", DataOptions(mnist))
    banks = [dataset.train, dataset.validation, dataset.test]
    assert [bank.classes for bank in banks] == [6, 2, 2]
    assert {bank.item_shape for bank in banks} == {(1, 28, 28)}
    for bank in banks:
        assert set(bank.class_sizes) == {5}
        digits = [int(name[0]) for name in bank.class_names]
        assert bank.images[bank.class_starts, 0, 0, 0].tolist() == [10 * digit for digit in digits]


def test_size_and_channels_can_be_chosen(mnist: Path) -> None:
    dataset = load("torchvision:MNIST", DataOptions(mnist, image_size=32, channels=3))
    assert dataset.train.item_shape == (3, 32, 32)


def test_a_set_is_read_once_and_anew_when_its_files_change(mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def digits(**options: object) -> list[int]:
        dataset = load("torchvision:MNIST", DataOptions(mnist, **options))
        assert (dataset.name, dataset.test.name) == ("torchvision:MNIST", "torchvision:MNIST/test")
        return sorted(
            {
                int(each)
                for bank in (dataset.train, dataset.validation, dataset.test)
                for each in bank.images[:, 0, 0, 0]
            }
        )

    first = digits()
    with monkeypatch.context() as patch:
        patch.setattr(torchvision_sets, "_open", None)
        assert digits() == first
        for other in ({"image_size": 30}, {"channels": 3}, {"split": "seed=1"}):
            with pytest.raises(TypeError):
                digits(**other)
    labels = (np.arange(20) % 10).astype(np.uint8)
    images = np.broadcast_to(10 * labels[:, None, None] + 1, (20, 28, 28)).astype(np.uint8)
    write_idx(mnist / "MNIST" / "raw" / "t10k-images-idx3-ubyte", images)
    assert digits() == sorted([*first, *(each + 1 for each in first)])


def test_two_folders_without_files_are_not_one(
    mnist: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is downloaded into an empty folder is not what the next empty folder holds."""
    there, away = mnist / "MNIST", mnist / "away"
    there.rename(away)
    really = torchvision_sets._open

    def download(*arguments: Any) -> list[Any]:
        if away.exists():
            away.rename(there)
        return really(*arguments)

    monkeypatch.setattr(torchvision_sets, "_open", download)
    assert load("torchvision:MNIST", DataOptions(mnist)).train.classes == 6
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match="torchvision:MNIST is not in"):
        load("torchvision:MNIST", DataOptions(empty, download=False))


@pytest.mark.parametrize("name", SETS)
def test_where_a_set_keeps_its_files_is_what_torchvision_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its class looks for on the disk is below what the cache's key is made of."""
    kind = getattr(torchvision.datasets, name)
    looked = []

    def look(path: str | Path) -> bool:
        looked.append(Path(path))
        return False

    for module in (os.path, Path):
        for query in ("exists", "isfile", "isdir", "is_file", "is_dir"):
            if hasattr(module, query):
                monkeypatch.setattr(module, query, look)
    with pytest.raises((RuntimeError, OSError)):
        kind(str(tmp_path), **SETS[name].parts[0], download=False)
    top = SETS[name].files.split("/")[0]
    inside = [
        path.relative_to(tmp_path).parts[0] for path in looked if path != tmp_path and path.is_relative_to(tmp_path)
    ]
    assert inside
    assert all(fnmatch.fnmatch(each, top) for each in inside)


def test_unknown_sets_get_the_nearest_name() -> None:
    with pytest.raises(DataError, match=r"torchvision:FashionMINST is not a set .*; did you mean 'FashionMNIST'\?"):
        load("torchvision:FashionMINST")


@pytest.mark.parametrize("name", SETS)
def test_missing_files_are_said_for_every_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is opened by torchvision's own class with arguments that it has, as far as without a network."""
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with pytest.raises(DataError, match=rf"torchvision:{name} is not in '.*' and was not downloaded"):
        load(f"torchvision:{name}", DataOptions(tmp_path))
