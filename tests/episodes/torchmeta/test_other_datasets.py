"""The other image datasets: what torchmeta calls them, and which of metabench's they are."""

import pickle
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from episodes import DataOptions, Dataset, ImageBank
from episodes.datasets.splitting import published
from episodes.torchmeta.datasets import FC100, TieredImagenet, bank_classes, helpers
from episodes.torchmeta.datasets.utils import get_asset
from episodes.torchmeta.utils.data import BatchMetaDataLoader
from episodes.torchmeta.utils.data.dataset import SPLITS

BIRDS = ("robin", "junco", "brambling", "indigo_bunting", "goldfinch", "house_finch")
HELPERS = {
    "miniimagenet": ("mini-imagenet", 84),
    "tieredimagenet": ("tiered-imagenet", 84),
    "cifar_fs": ("cifar-fs", 32),
    "fc100": ("fc100", 32),
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
    assert birds[1, 4][0][1] == (("passerine, passeriform bird", "junco, snowbird"), 0)
    assert [label.split(",")[0].replace(" ", "_") for label in birds.dataset.labels] == list(BIRDS)  # the file's order
    junco = birds.dataset[1]
    assert (junco.general_class_name, junco.specific_class_name) == ("passerine, passeriform bird", "junco, snowbird")
    assert FC100(tmp_path, 2, meta_train=True).dataset.labels[1] == ["group1", "class1"]


@pytest.mark.parametrize("helper", [*HELPERS, "cub"])
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


def test_the_lists_of_classes_are_given_by_their_path() -> None:
    counts = {("cub",): (100, 50, 50), ("cifar100", "cifar-fs"): (64, 16, 20), ("cifar100", "fc100"): (12, 4, 4)}
    for path, expected in counts.items():
        lists = [get_asset(*path, f"{split}.json", dtype="json") for split in ("train", "val", "test")]
        assert tuple(map(len, lists)) == expected
        assert all(names == sorted(names) for names in lists)
    assert get_asset("cub/train.json")[0] == "001.Black_footed_Albatross"
    assert ["trees", "oak_tree"] in [
        pair for split in SPLITS for pair in get_asset("cifar100/cifar-fs", f"{split}.json")
    ]
    characters = [
        sum(
            len(of_alphabet)
            for side in get_asset("omniglot", f"{split}.json").values()
            for of_alphabet in side.values()
        )
        for split in SPLITS
    ]
    assert characters == [1028, 172, 423]
    assert get_asset("omniglot", "test.json")["evaluation"]["Gurmukhi"] == [f"character{i}" for i in range(42, 46)]
    with pytest.raises(
        OSError, match=r"doublemnist/train.json not found; there are train.json, val.json and test.json"
    ):
        get_asset("doublemnist", "train.json")
    with pytest.raises(NotImplementedError, match="of dtype json, not csv"):
        get_asset("cub", "train.json", dtype="csv")


def test_tiered_imagenets_classes_are_in_the_order_of_its_authors_files(tmp_path: Path) -> None:
    content = published("tiered-imagenet")
    words = {}
    for split, part in (("train", "train"), ("val", "validation"), ("test", "test")):
        wnids = [wnid for category in content[part] for wnid in content["superclasses"][category]][::-1]
        words[split] = [content["names"][wnid] for wnid in wnids]
        labels = {
            "label_specific": np.arange(len(wnids)),
            "label_specific_str": words[split],
            "label_general_str": content[part],
        }
        (tmp_path / f"{split}_labels.pkl").write_bytes(pickle.dumps(labels, protocol=2))
        shades = np.arange(len(wnids)) % 256
        images = np.broadcast_to(shades.astype(np.uint8)[:, None, None, None], (len(wnids), 84, 84, 3))
        np.savez(tmp_path / f"{split}_images.npz", images=images)
    classes = TieredImagenet(tmp_path, 2, meta_val=True).dataset
    assert classes.labels == words["val"] != sorted(words["val"])
    assert [classes[number][0][0].getpixel((5, 5))[0] for number in range(97)] == list(range(97))


def test_an_archive_that_torchmeta_left_is_named(tmp_path: Path) -> None:
    (tmp_path / "miniimagenet").mkdir()
    (tmp_path / "miniimagenet" / "mini-imagenet.tar.gz").touch()
    with pytest.raises(
        RuntimeError, match=r"mini-imagenet is not in .* \(unpack '.*mini-imagenet.tar.gz' where it is\)"
    ):
        helpers.miniimagenet(tmp_path, 1, 5, meta_train=True)
    (tmp_path / "tiered-imagenet.tar").touch()
    with pytest.raises(RuntimeError, match=r"\(unpack '.*tiered-imagenet.tar' where it is\)"):
        helpers.tieredimagenet(tmp_path, 1, 5, meta_train=True)
