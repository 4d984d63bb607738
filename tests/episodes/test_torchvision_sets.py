import struct
from pathlib import Path

import numpy as np
import pytest

from episodes import DataError, DataOptions, load
from episodes.datasets.torchvision_sets import SETS


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
    assert {bank.image_shape for bank in banks} == {(1, 28, 28)}
    for bank in banks:
        assert set(bank.class_sizes) == {5}
        digits = [int(name[0]) for name in bank.class_names]
        assert bank.images[bank.class_starts, 0, 0, 0].tolist() == [10 * digit for digit in digits]


def test_size_and_channels_can_be_chosen(mnist: Path) -> None:
    dataset = load("torchvision:MNIST", DataOptions(mnist, image_size=32, channels=3))
    assert dataset.train.image_shape == (3, 32, 32)


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
