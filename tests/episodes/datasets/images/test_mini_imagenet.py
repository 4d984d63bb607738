"""mini-ImageNet from each form that circulates: the real zips, and small files of the other forms."""

import pickle
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from episodes import DataError, DataOptions, Dataset, load
from episodes.datasets.splitting import published

CONTENT = published("mini-imagenet")
WNIDS = {name: wnid for wnid, name in CONTENT["names"].items()}
PARTS = {"train": "train", "val": "validation", "test": "test"}


def shade(wnid: str, number: int) -> int:
    return (sorted(WNIDS.values()).index(wnid) * 2 + number) % 256


def class_folders(root: Path, part: str | None) -> None:
    """Two pictures per class, of one shade each, with one picture of a class that is not in the split."""
    names = CONTENT[PARTS[part]] if part else list(WNIDS)
    for wnid in [WNIDS[name] for name in names]:
        (root / wnid).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (90, 84), (shade(wnid, number),) * 3).save(root / wnid / f"{wnid}_{number}.png")


def trees(root: Path) -> None:
    for part in PARTS:
        class_folders(root / part, part)


def zips(root: Path) -> None:
    for part in PARTS:
        class_folders(root / "made", part)
        shutil.make_archive(str(root / part), "zip", root / "made")
        shutil.rmtree(root / "made")


def tables(root: Path) -> None:
    class_folders(root / "made", None)
    (root / "images").mkdir()
    for part, full in PARTS.items():
        rows = [
            {"filename": path.name, "label": path.parent.name}
            for name in CONTENT[full]
            for path in sorted((root / "made" / WNIDS[name]).iterdir())
        ]
        pd.DataFrame(rows).to_csv(root / f"{part}.csv", index=False)
    for path in (root / "made").rglob("*.png"):
        path.rename(root / "images" / path.name)
    shutil.rmtree(root / "made")


def whole(root: Path) -> None:
    """All of ImageNet's classes side by side, of which only some are the split's."""
    class_folders(root / "images", None)
    (root / "images" / "n99999999").mkdir()
    Image.new("RGB", (84, 84)).save(root / "images" / "n99999999" / "a.png")


def pickles(root: Path) -> None:
    root.mkdir(exist_ok=True)
    for part, full in PARTS.items():
        wnids = [WNIDS[name] for name in CONTENT[full]]
        data = np.stack([np.full((84, 84, 3), shade(wnid, n), np.uint8) for wnid in wnids for n in range(2)])
        members = {wnid: [2 * index, 2 * index + 1] for index, wnid in enumerate(wnids)}
        path = root / f"mini-imagenet-cache-{part}.pkl"
        path.write_bytes(pickle.dumps({"image_data": data, "class_dict": members}))


def phases(root: Path) -> None:
    """As Gidaris and Komodakis 2018 have it, written by Python 2; labels go on from part to part, images mixed."""
    root.mkdir(exist_ok=True)
    start = 0
    for file, full in zip(("train_phase_train", "val", "test"), PARTS.values(), strict=True):
        wnids = [WNIDS[name] for name in CONTENT[full]]
        images = [(label, n) for n in range(2) for label in range(len(wnids))]
        content = {
            "data": np.stack([np.full((84, 84, 3), shade(wnids[label], n), np.uint8) for label, n in images]),
            "labels": [start + label for label, _ in images],
            "catname2label": {wnid: start + label for label, wnid in enumerate(wnids)},
        }
        packed = pickle.dumps(content, protocol=2)
        for text in (*content, *wnids):  # Python 2 wrote strings of bytes
            packed = packed.replace(
                b"X" + struct.pack("<I", len(text)) + text.encode(), b"U%c" % len(text) + text.encode()
            )
        (root / f"miniImageNet_category_split_{file}.pickle").write_bytes(packed)
        start += len(wnids)


@pytest.mark.parametrize("form", [trees, zips, tables, whole, pickles, phases])
def test_every_form_gives_the_same_banks(form: Callable[[Path], None], tmp_path: Path) -> None:
    form(tmp_path)
    dataset = load("mini-imagenet", DataOptions(data_root=tmp_path, image_size=84))
    for part in PARTS.values():
        bank = getattr(dataset, part)
        assert list(bank.class_names) == CONTENT[part]
        assert list(bank.groups) == [WNIDS[name] for name in CONTENT[part]]
        expected = [shade(wnid, number) for wnid in bank.groups for number in range(2)]
        assert bank.images[:, 1, 40, 40].tolist() == expected


def counts(dataset: Dataset) -> list[tuple[int, set[int]]]:
    return [(bank.classes, set(bank.class_sizes)) for bank in (dataset.train, dataset.validation, dataset.test)]


def test_the_photographs_themselves(mini_imagenet: Path) -> None:
    dataset = load("mini-imagenet", DataOptions(data_root=mini_imagenet))
    assert counts(dataset) == [(64, {20}), (16, {20}), (20, {40})]
    number = dataset.test.class_names.index("golden_retriever")
    with zipfile.ZipFile(mini_imagenet / "test.zip") as archive:
        first = sorted(name for name in archive.namelist() if name.startswith("n02099601/"))[0]
        with archive.open(first) as file:
            pixels = np.asarray(Image.open(file).convert("RGB"))
    assert np.array_equal(dataset.test.images[dataset.test.class_starts[number]].permute(1, 2, 0).numpy(), pixels)


@pytest.mark.slow
def test_all_of_the_photographs(data_root: Path) -> None:
    dataset = load("mini-imagenet", DataOptions(data_root=data_root))
    assert counts(dataset) == [(64, {300}), (16, {300}), (20, {600})]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mini-imagenet is not in '.*': put train.zip, val.zip and test.zip there"):
        load("mini-imagenet", DataOptions(data_root=tmp_path))
    trees(tmp_path)
    with pytest.raises(DataError, match="mini-imagenet has no split 'lake', only the published one"):
        load("mini-imagenet", DataOptions(data_root=tmp_path, split="lake"))
    shutil.rmtree(tmp_path / "test" / WNIDS["malamute"])
    with pytest.raises(DataError, match="'mini-imagenet' lacks 1 classes of its split, 'malamute' first; download"):
        load("mini-imagenet", DataOptions(data_root=tmp_path))


def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "harm",))

    pickles(tmp_path)
    (tmp_path / "mini-imagenet-cache-val.pkl").write_bytes(pickle.dumps({"image_data": Harm()}))
    with pytest.raises(DataError, match=r"cannot read '.*cache-val.pkl': it asks for .*, which may run code; fetch it"):
        load("mini-imagenet", DataOptions(data_root=tmp_path))
    assert not (tmp_path / "harm").exists()
    (tmp_path / "mini-imagenet-cache-val.pkl").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(DataError, match="does not hold image_data and class_dict"):
        load("mini-imagenet", DataOptions(data_root=tmp_path))


def test_the_dataset_is_mapped_from_the_cache(tmp_path: Path, cache: Path) -> None:
    trees(tmp_path)
    first: Dataset = load("mini-imagenet", DataOptions(data_root=tmp_path))
    again = load("mini-imagenet", DataOptions(data_root=tmp_path))
    assert again.train.fingerprint == first.train.fingerprint
    assert list((cache / "banks").glob("mini-imagenet-*.safetensors"))
