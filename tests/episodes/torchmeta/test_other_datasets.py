"""The other image datasets: what torchmeta calls them, and which of metabench's they are."""

import socket
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.transforms import Compose, Resize, ToTensor

from episodes import DataOptions, Dataset, ImageBank
from episodes.torchmeta.datasets import CUB, FC100, TieredImagenet, bank_classes, helpers
from episodes.torchmeta.utils.data import BatchMetaDataLoader

BIRDS = ("robin", "junco", "brambling", "indigo_bunting", "goldfinch", "house_finch")
HELPERS = {
    "miniimagenet": ("mini-imagenet", 84),
    "tieredimagenet": ("tiered-imagenet", 84),
    "cifar_fs": ("cifar-fs", 32),
    "fc100": ("fc100", 32),
    "cub": ("cub", 84),
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, DataOptions]]:
    """In place of the real sets, which no machine has all of: six classes of colour pictures of the size asked for."""
    calls = []

    def load(name: str, options: DataOptions) -> Dataset:
        calls.append((name, options))
        size = options.image_size or dict(HELPERS.values())[name]
        names = BIRDS if name == "tiered-imagenet" else tuple(f"class{number}" for number in (3, 0, 5, 1, 4, 2))
        shades = torch.arange(6, dtype=torch.uint8).repeat_interleave(8).view(-1, 1, 1, 1).expand(-1, 3, size, size)
        groups = ("passerine",) * 6 if names is BIRDS else tuple(f"group{each[-1]}" for each in names)
        bank = ImageBank(name, shades.contiguous(), names, (8,) * 6, groups)
        return Dataset(name, "fixed", bank, bank, bank)

    monkeypatch.setattr(bank_classes, "load", load)
    return calls


@pytest.mark.parametrize("helper", HELPERS)
def test_helpers_ask_for_their_dataset(helper: str, asked: list[tuple[str, DataOptions]], tmp_path: Path) -> None:
    name, size = HELPERS[helper]
    dataset = getattr(helpers, helper)(tmp_path, shots=2, ways=3, test_shots=4, meta_test=True)
    assert [(asked_for, options.data_root, options.download) for asked_for, options in asked] == [
        (name, tmp_path, False)
    ]
    batch = next(iter(BatchMetaDataLoader(dataset, batch_size=4)))
    assert batch["train"][0].shape == (4, 6, 3, size, size)
    assert batch["test"][1].shape == (4, 12)


def test_classes_are_sorted_by_name(asked: Any, tmp_path: Path) -> None:
    classes = helpers.miniimagenet(tmp_path, 1, 2, meta_val=True, target_transform=None, transform=None).dataset
    assert classes.labels == [f"group{number}" for number in range(6)]
    assert [classes[number][0][0].getpixel((0, 0))[0] for number in range(6)] == [1, 3, 5, 0, 4, 2]
    assert classes[2][0][1] == ("group2", None)


def test_targets_have_the_superclass_where_torchmetas_have(asked: Any, tmp_path: Path) -> None:
    assert FC100(tmp_path, 2, meta_train=True)[4, 1][0][1] == (("group4", "class4"), 0)
    birds = TieredImagenet(tmp_path, 2, meta_train=True)
    assert birds[4, 1][0][1] == (("passerine, passeriform bird", "junco, snowbird"), 0)
    assert birds.dataset.labels == sorted(birds.dataset.labels)
    assert FC100(tmp_path, 2, meta_train=True).dataset.labels[1] == ["group1", "class1"]


def test_birds_are_read_at_the_size_they_are_resized_to(asked: list[tuple[str, DataOptions]], tmp_path: Path) -> None:
    for transform in (None, ToTensor(), Resize(224), Compose([Resize((200, 180)), ToTensor()])):
        CUB(tmp_path, 2, meta_train=True, transform=transform)
    assert [options.image_size for _, options in asked] == [126, 126, 224, 200]


@pytest.mark.parametrize("helper", HELPERS)
def test_nothing_is_downloaded_unless_asked_for(helper: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(socket, "create_connection", lambda *arguments, **options: tried.append(arguments))
    with pytest.raises(RuntimeError, match="integrity check failed"):
        getattr(helpers, helper)(tmp_path, shots=1, ways=5, meta_train=True)
    assert not tried


def test_mini_imagenet_itself(mini_imagenet: Path) -> None:
    dataset = helpers.miniimagenet(mini_imagenet, shots=1, ways=5, test_shots=15, meta_val=True)
    assert len(dataset.dataset) == 16  # Ravi and Larochelle's split
    assert dataset.dataset.labels[0] == "n01855672"
    batch = next(iter(BatchMetaDataLoader(dataset, batch_size=2)))
    assert batch["test"][0].shape == (2, 75, 3, 84, 84)
    assert 0.2 < batch["test"][0].mean() < 0.7
