"""CUB's photographs are of all sizes, and a transform gets each as it is."""

import io
import itertools
import random
import tarfile
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, RandomCrop, Resize, ToTensor

from episodes import DataError
from episodes.datasets.splitting import PARTS, published
from episodes.torchmeta.datasets import CUB, cub, helpers
from episodes.torchmeta.datasets.cub import CUBClassDataset
from episodes.torchmeta.utils.data import BatchMetaDataLoader

BIRDS = sorted(bird for part in PARTS for bird in published("cub")[part])


def photograph(bird: str, number: int) -> Image.Image:
    """A gradient from left to right, of the width and height of its own."""
    width, height = 30 + int(bird[:3]) % 7, 20 + 3 * number
    ramp = np.linspace(0, 255, width, dtype=np.uint8)[None].repeat(height, 0)
    return Image.fromarray(np.stack([ramp, ramp, 255 - ramp], 2))


@pytest.fixture(scope="module")
def birds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs of each of the 200 birds, as the archive unpacks."""
    root = tmp_path_factory.mktemp("cub")
    for bird in BIRDS:
        folder = root / "cub" / "CUB_200_2011" / "images" / bird
        folder.mkdir(parents=True)
        for number in range(2):
            photograph(bird, number).save(folder / f"{bird}_{number}.jpg", quality=95)
    return root


def read(birds: Path, bird: str, number: int) -> Image.Image:
    return Image.open(birds / "cub" / "CUB_200_2011" / "images" / bird / f"{bird}_{number}.jpg")


def test_a_transform_gets_the_photograph_as_it_is(birds: Path) -> None:
    dataset = CUB(birds, 3, meta_test=True)
    assert dataset.dataset.labels == published("cub")["test"]
    task = dataset[4, 0, 30]
    for place, number in enumerate((4, 0, 30)):
        bird = published("cub")["test"][number]
        for row in range(2):
            picture, target = task[2 * place + row]
            assert np.array_equal(np.asarray(picture), np.asarray(read(birds, bird, row)))
            assert target == (bird, 0)
    assert dataset.dataset[4].label == published("cub")["test"][4]


@pytest.mark.parametrize(
    "transform",
    [
        Compose([Resize((24, 16)), ToTensor()]),
        Compose([Resize(24), CenterCrop(20), ToTensor()]),
    ],
    ids=["squashed", "shorter side, middle"],
)
def test_batches_are_what_the_transform_makes_of_each(birds: Path, transform: Any) -> None:
    dataset = CUB(birds, 2, meta_val=True, transform=transform)
    assert dataset.dataset.pictures is not None
    inputs, _ = next(iter(BatchMetaDataLoader(dataset, batch_size=1, shuffle=False, sampler=[(7, 3)])))
    names = [published("cub")["validation"][number] for number in (7, 3)]
    expected = [transform(read(birds, name, row).convert("RGB")) for name in names for row in range(2)]
    assert torch.equal(inputs[0], torch.stack(expected))


def test_pictures_that_stay_of_several_sizes_are_not_gathered(birds: Path) -> None:
    for transform in (ToTensor(), Compose([Resize(24), ToTensor()]), Compose([RandomCrop(9), ToTensor()])):
        assert CUBClassDataset(birds, meta_train=True, transform=transform).pictures is None
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        next(iter(BatchMetaDataLoader(CUB(birds, 2, meta_train=True, transform=ToTensor()))))


def test_the_helper_takes_the_middle_of_126_pixels(birds: Path) -> None:
    random.seed(0)
    dataset = helpers.cub(birds, shots=1, ways=5, meta_train=True, seed=0)
    batches = itertools.islice(BatchMetaDataLoader(dataset, batch_size=2), 2)
    assert [batch["train"][0].shape for batch in batches] == [(2, 5, 3, 84, 84)] * 2


def test_the_archive_is_read_like_its_folder(birds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "CUB_200_2011.tgz", "w:gz") as archive:
        archive.add(birds / "cub" / "CUB_200_2011", "CUB_200_2011")
    with pytest.raises(RuntimeError, match=r"CUB_200_2011.tgz' is not the archive that was published \(MD5 97ecee"):
        CUB(tmp_path, 2, meta_train=True)
    monkeypatch.setattr(cub, "MD5", md5((tmp_path / "CUB_200_2011.tgz").read_bytes()).hexdigest())
    ours, theirs = (CUBClassDataset(place, meta_train=True) for place in (tmp_path, birds))
    for name in theirs.labels:  # a folder lists its files in any order
        assert [list(content) for content in ours.data[name]] == [list(content) for content in theirs.data[name]]


def test_what_is_wrong_with_the_photographs_is_said(birds: Path, tmp_path: Path) -> None:
    images = tmp_path / "CUB_200_2011" / "images"
    images.mkdir(parents=True)
    with pytest.raises(RuntimeError, match=r"images' lacks pictures of 100 birds, '001.Black_footed_Albatross' first"):
        CUB(tmp_path, 2, meta_train=True)
    for bird in BIRDS:
        (images / bird).symlink_to(birds / "cub" / "CUB_200_2011" / "images" / bird)
    (images / BIRDS[0]).unlink()
    (images / BIRDS[0]).mkdir()
    buffer = io.BytesIO()
    photograph(BIRDS[0], 0).save(buffer, "jpeg")
    (images / BIRDS[0] / "cut.jpg").write_bytes(buffer.getvalue()[:200])
    with pytest.raises(DataError, match="a picture of 200 bytes cannot be read"):
        CUB(tmp_path, 2, meta_train=True)[0, 1][0]
