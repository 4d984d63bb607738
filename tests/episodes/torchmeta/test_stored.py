"""Folders that torchmeta wrote: HDF5 files of pictures with JSON files of labels."""

import io
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import Compose, Resize, ToTensor

from episodes.torchmeta.datasets import CIFARFS, CUB, MiniImagenet, Omniglot, TieredImagenet, helpers
from episodes.torchmeta.datasets.miniimagenet import MiniImagenetClassDataset
from episodes.torchmeta.datasets.omniglot import OmniglotClassDataset
from episodes.torchmeta.utils.data import BatchMetaDataLoader, NonEpisodicWrapper

if os.environ.get("CI"):
    import h5py
else:
    h5py = pytest.importorskip("h5py")

NOISE = np.random.RandomState(0)
WNIDS = ["n07", "n03", "n05"]


def write(folder: Path, pictures: str, labels: str, classes: list[Any], arrays: list[Any], group: str = "/") -> None:
    """As torchmeta's `download` leaves them; a class of several parts is a path."""
    (folder / labels).parent.mkdir(parents=True, exist_ok=True)
    (folder / labels).write_text(json.dumps(classes))
    with h5py.File(folder / pictures, "a") as file:
        for label, array in zip(classes, arrays, strict=True):
            name = f"{group}/{'/'.join(label) if isinstance(label, list) else label}"
            if isinstance(array, list):  # files, of several lengths
                stored = file.create_dataset(name, (len(array),), dtype=h5py.vlen_dtype(np.uint8))
                stored.attrs["label_general"] = f"kind of {label}"
                for place, content in enumerate(array):
                    stored[place] = content
            else:
                file.create_dataset(name, data=array)


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return NOISE.randint(0, 256, shape, dtype=np.uint8)


def encoded(width: int, height: int) -> np.ndarray[Any, Any]:
    buffer = io.BytesIO()
    Image.fromarray(noise(height, width, 3)).save(buffer, "png")
    return np.frombuffer(buffer.getvalue(), np.uint8)


@pytest.fixture
def mini(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    arrays = {name: noise(4, 12, 12, 3) for name in WNIDS}
    write(
        tmp_path / "miniimagenet",
        "val_data.hdf5",
        "val_labels.json",
        WNIDS,
        [arrays[name] for name in WNIDS],
        "datasets",
    )
    return tmp_path, arrays


def test_pictures_are_the_arrays_in_the_files_order(mini: tuple[Path, dict[str, Any]]) -> None:
    root, arrays = mini
    dataset = helpers.miniimagenet(root, shots=1, ways=2, test_shots=3, meta_split="val", transform=ToTensor(), seed=0)
    classes = dataset.dataset
    assert classes.labels == WNIDS
    assert classes.root == str(root / "miniimagenet")
    batch = next(iter(BatchMetaDataLoader(dataset, batch_size=1, shuffle=False, sampler=[(2, 0)])))
    task = dataset[2, 0]
    for part in ("train", "test"):
        names = [WNIDS[(2, 0)[index // 4]] for index in task[part].indices]
        expected = [arrays[name][index % 4] for name, index in zip(names, task[part].indices, strict=True)]
        made = (batch[part][0][0] * 255).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)
        # The loader has split the task once more, in another order.
        assert sorted(map(bytes, made)) == sorted(map(bytes, expected))
    assert np.array_equal(classes.data["n05"][3], arrays["n05"][3])
    assert classes[1].class_name == "n03"
    wrapped = NonEpisodicWrapper(dataset)
    assert len(wrapped) == 12
    assert wrapped[4][1] == ("n03", 0)


def test_a_file_is_opened_anew_after_closing_and_in_another_process(
    mini: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, arrays = mini
    classes = MiniImagenetClassDataset(root, meta_val=True)
    first = np.asarray(classes[0][1][0])
    classes.close()
    assert np.array_equal(np.asarray(classes[0][1][0]), first)
    again = pickle.loads(pickle.dumps(classes))
    assert np.array_equal(np.asarray(again[0][1][0]), arrays["n07"][1])
    handle = classes.data["n07"].file.id.id
    assert classes.data["n03"].file.id.id == handle
    monkeypatch.setattr(os, "getpid", lambda: -1)  # as after a fork
    assert classes.data["n03"].file.id.id != handle


def test_omniglot_and_cifar_have_one_file_for_all_splits(tmp_path: Path) -> None:
    greek = [["images_background", "Greek", f"character0{number}"] for number in (1, 2)]
    drawings = [noise(3, 105, 105) for _ in greek]
    write(tmp_path / "omniglot", "data.hdf5", "vinyals_train_labels.json", greek, drawings)
    write(tmp_path / "omniglot", "data.hdf5", "train_labels.json", greek[:0], [])
    classes = OmniglotClassDataset(tmp_path, meta_train=True)
    assert classes[1].character_name == "images_background/Greek/character02"
    assert np.array_equal(np.asarray(classes[1][2][0]), drawings[1][2])
    task = Omniglot(tmp_path, 2, meta_train=True)[1, 0]
    assert task[0][1] == ("images_background/Greek/character02", 0)
    assert OmniglotClassDataset(tmp_path, meta_train=True, use_vinyals_split=False).labels == []

    fish = [["fish", "shark"], ["fish", "trout"]]
    write(tmp_path / "cifar100", "data.hdf5", "cifar-fs/test_labels.json", fish, [noise(2, 32, 32, 3) for _ in fish])
    sharks = CIFARFS(tmp_path, 2, meta_test=True).dataset[0]
    assert (sharks.coarse_label_name, sharks.fine_label_name, sharks[0][1]) == (
        "fish",
        "shark",
        (("fish", "shark"), None),
    )


def test_picture_files_in_the_file_are_decoded(tmp_path: Path) -> None:
    files = {name: [encoded(30 + i, 20) for i in range(2)] for name in ("robin, Turdus", "ant, emmet")}
    for folder in ("tieredimagenet", "cub"):
        write(tmp_path / folder, "train_data.hdf5", "train_labels.json", [*files], [*files.values()], "datasets")
    transform = Compose([Resize((9, 8)), ToTensor()])
    for kind, target in ((TieredImagenet, ("kind of ant, emmet", "ant, emmet")), (CUB, "ant, emmet")):
        dataset = kind(tmp_path, 2, meta_train=True, transform=transform)
        assert dataset.dataset.labels == ["robin, Turdus", "ant, emmet"]  # not sorted
        assert dataset[1, 0][0][1] == (target, 0)
        inputs = next(iter(BatchMetaDataLoader(dataset, batch_size=1, shuffle=False, sampler=[(1, 0)])))[0][0]
        pictures = [
            Image.open(io.BytesIO(content.tobytes())) for content in [*files["ant, emmet"], *files["robin, Turdus"]]
        ]
        assert torch.equal(inputs, torch.stack([transform(picture) for picture in pictures]))


def test_what_is_wrong_with_the_files_is_said(
    mini: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = mini
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "h5py", None)
        with pytest.raises(
            RuntimeError, match=r"val_data.hdf5' was written by torchmeta; `pip install h5py` to read it"
        ):
            MiniImagenet(root, 2, meta_val=True)
    with pytest.raises(RuntimeError, match="MiniImagenetClassDataset integrity check failed: mini-imagenet is not in"):
        MiniImagenet(root, 2, meta_train=True)
    labels = root / "miniimagenet" / "val_labels.json"
    labels.write_text(json.dumps([*WNIDS, "n99"]))
    with pytest.raises(
        RuntimeError, match=r"val_data.hdf5' lacks pictures of 1 classes, 'n99' first; let torchmeta write it anew"
    ):
        MiniImagenet(root, 2, meta_val=True)
    for wrong in ({"n07": 1}, ["n07", 5], [[]], [["fish", None]], "n07"):
        labels.write_text(json.dumps(wrong))
        with pytest.raises(RuntimeError, match=r"val_labels.json' is not a list of names; let torchmeta write it anew"):
            MiniImagenet(root, 2, meta_val=True)
    labels.write_text("[")
    with pytest.raises(RuntimeError, match=r"cannot read '.*val_labels.json'.*; let torchmeta write it anew"):
        MiniImagenet(root, 2, meta_val=True)
    labels.write_text(json.dumps(WNIDS))
    for empty in (np.zeros((0, 12, 12, 3), np.uint8), None):
        with h5py.File(root / "miniimagenet" / "val_data.hdf5", "a") as file:
            del file["datasets/n05"]
            file.create_group("datasets/n05") if empty is None else file.create_dataset("datasets/n05", data=empty)
        with pytest.raises(
            RuntimeError, match=r"lacks pictures of 1 classes, 'n05' first; let torchmeta write it anew"
        ):
            MiniImagenet(root, 2, meta_val=True)
    (root / "miniimagenet" / "val_data.hdf5").write_bytes(b"cut short")
    with pytest.raises(RuntimeError, match=r"cannot read '.*val_data.hdf5'.*; let torchmeta write it anew"):
        MiniImagenet(root, 2, meta_val=True)
