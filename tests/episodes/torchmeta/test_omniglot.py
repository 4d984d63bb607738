"""torchmeta's Omniglot, on the real drawings."""

import io
import itertools
import random
import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import Compose, Resize, ToTensor

from episodes import DataError
from episodes.torchmeta.datasets import Omniglot
from episodes.torchmeta.datasets.helpers import omniglot
from episodes.torchmeta.datasets.omniglot import OmniglotClassDataset
from episodes.torchmeta.transforms import Categorical, ClassSplitter, Rotation
from episodes.torchmeta.utils.data import BatchMetaDataLoader, CombinationMetaDataset, NonEpisodicWrapper


@pytest.fixture(scope="module")
def validation(downloads: Path) -> OmniglotClassDataset:
    return OmniglotClassDataset(downloads, meta_val=True, class_augmentations=[Rotation([90, 180, 270])])


def drawings(data_root: Path, name: str) -> list[Image.Image]:
    """The class's pictures as torchmeta keeps them: of mode L and inverted, so that ink is white."""
    with zipfile.ZipFile(data_root / "omniglot-py" / f"{name.split('/')[0]}.zip") as archive:
        entries = sorted(
            entry for entry in archive.namelist() if entry.startswith(f"{name}/") and entry.endswith("png")
        )
        return [ImageOps.invert(Image.open(io.BytesIO(archive.read(entry))).convert("L")) for entry in entries]


@pytest.mark.parametrize(
    ("arguments", "classes", "first"),
    [
        ({"meta_train": True}, 1028, "images_background"),
        ({"meta_test": True}, 423, "images_evaluation"),
        ({"meta_train": True, "use_vinyals_split": False}, 964, "images_background"),
        ({"meta_split": "test", "use_vinyals_split": False}, 659, "images_evaluation"),
    ],
)
def test_splits_have_torchmetas_classes(downloads: Path, arguments: dict[str, Any], classes: int, first: str) -> None:
    dataset = OmniglotClassDataset(downloads, **arguments)
    assert dataset.num_classes == len(dataset) == classes
    assert dataset.labels == sorted(dataset.labels)
    assert dataset.labels[0][0] == first
    assert all(len(label) == 3 and label[2].startswith("character") for label in dataset.labels)
    if not dataset.use_vinyals_split:
        assert {label[0] for label in dataset.labels} == {first}


def test_rotations_are_classes(validation: OmniglotClassDataset) -> None:
    assert (validation.num_classes, len(validation)) == (172, 4 * 172)
    upright, turned = validation[5], validation[172 * 2 + 5]
    assert np.array_equal(np.asarray(turned[3][0]), np.rot90(np.asarray(upright[3][0]), 2))
    assert turned[3][1] == (upright[3][1][0], Rotation(180))


def test_pictures_and_names_are_torchmetas(validation: OmniglotClassDataset, data_root: Path) -> None:
    task = CombinationMetaDataset(validation, 2)[7, 100]
    for start in (0, 20):
        picture, (name, augmentation) = task[start]
        assert (picture.mode, picture.size, augmentation) == ("L", (105, 105), 0)
        expected = drawings(data_root, name)
        assert len(expected) == 20
        for place, drawing in enumerate(expected):
            assert np.array_equal(np.asarray(task[start + place][0]), np.asarray(drawing))


def test_drawings_may_be_had_by_name_and_as_classes(validation: OmniglotClassDataset, data_root: Path) -> None:
    drawn = validation[172 + 3]
    assert drawn.character_name == "/".join(validation.labels[3])
    expected = np.stack([np.asarray(drawing) for drawing in drawings(data_root, drawn.character_name)])
    assert np.array_equal(validation.data[drawn.character_name], expected)
    assert np.array_equal(drawn.data, expected)
    assert len(validation.data) == 172
    assert [*validation.data] == ["/".join(label) for label in validation.labels]
    validation.close()
    assert np.array_equal(np.asarray(validation[3][0][0]), expected[0])


def test_batches_are_the_drawings_resized(validation: OmniglotClassDataset, data_root: Path) -> None:
    """What Pillow makes of the files, and the ink white: few pixels of a character are bright."""
    validation.transform = Compose([Resize(28), ToTensor()])
    dataset = CombinationMetaDataset(validation, 3, target_transform=Categorical(3))
    ClassSplitter(dataset, shuffle=False, num_train_per_class=2, num_test_per_class=1)
    index = (20, 172 + 20, 2 * 172 + 33)
    loader = BatchMetaDataLoader(dataset, batch_size=1, shuffle=False, sampler=[index])
    inputs, targets = next(iter(loader))["train"]
    assert inputs.shape == (1, 6, 1, 28, 28)
    expected = []
    for number, quarters in zip(index, (0, 1, 2), strict=True):
        for drawing in drawings(data_root, "/".join(validation.labels[number % 172]))[:2]:
            turned = Image.fromarray(np.rot90(np.asarray(drawing), quarters))
            expected.append(np.asarray(turned.resize((28, 28), Image.Resampling.BILINEAR)))
    assert np.array_equal((inputs[0, :, 0] * 255).round().numpy().astype(np.uint8), np.stack(expected))
    assert 0 <= inputs.min() <= inputs.max() <= 1
    assert inputs.mean() < 0.25
    assert targets[0, ::2].tolist() == targets[0, 1::2].tolist()


def test_the_helper_gives_seeded_tasks(downloads: Path) -> None:
    dataset = omniglot(downloads, shots=5, ways=5, test_shots=15, seed=0, meta_train=True)
    assert len(dataset.dataset) == 4 * 1028
    first = [dataset.sample_task() for _ in range(3)]
    dataset.seed(0)
    again = [dataset.sample_task() for _ in range(3)]
    for one, other in zip(first, again, strict=True):
        assert one["train"].index == other["train"].index
        assert one["train"].indices == other["train"].indices
        assert not {*one["train"].indices} & {*one["test"].indices}

    def batches() -> list[Any]:
        random.seed(1)
        torch.manual_seed(1)
        dataset.seed(1)
        return list(itertools.islice(BatchMetaDataLoader(dataset, batch_size=16), 2))

    for batch, same in zip(batches(), batches(), strict=True):
        assert batch["train"][0].shape == (16, 25, 1, 28, 28)
        assert batch["test"][0].shape == (16, 75, 1, 28, 28)
        assert batch["train"][1].shape == (16, 25)
        for name in ("train", "test"):
            assert all(map(torch.equal, batch[name], same[name]))


def test_the_helpers_defaults_can_be_overruled(downloads: Path) -> None:
    with pytest.warns(UserWarning, match="ways is ignored"):
        dataset = omniglot(
            downloads,
            shots=2,
            ways=5,
            num_classes_per_task=4,
            meta_val=True,
            class_augmentations=None,
            transform=None,
            target_transform=None,
        )
    task = dataset[3, 1, 0, 2]
    assert len(dataset.dataset) == 172
    assert [len(part) for part in task.values()] == [8, 8]
    picture, target = task["train"][0]
    assert picture.size == (105, 105)
    assert target == ("/".join(dataset.dataset.labels[3]), 0)


def test_all_drawings_as_one_dataset(validation: OmniglotClassDataset) -> None:
    wrapped = NonEpisodicWrapper(CombinationMetaDataset(validation, 2))
    assert len(wrapped) == 4 * 172 * 20
    assert wrapped[20][1] == ("/".join(validation.labels[1]), 0)
    assert wrapped[172 * 20 * 3][1] == ("/".join(validation.labels[0]), 3)


def test_nothing_is_downloaded_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []
    monkeypatch.setattr(socket, "create_connection", lambda *arguments, **options: tried.append(arguments))
    with pytest.raises(RuntimeError, match=r"integrity check failed: omniglot needs images_background.zip"):
        omniglot(tmp_path, shots=1, ways=5, meta_train=True)
    with pytest.raises(RuntimeError, match=r"integrity check failed: there is no folder '.*none'"):
        Omniglot(tmp_path / "none", 5, meta_train=True)
    assert not tried
    assert not list(tmp_path.iterdir())


def test_a_download_that_is_asked_for_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there: as without a network
    with pytest.raises(DataError, match="and the download failed"):
        omniglot(str(tmp_path / "new"), shots=1, ways=5, meta_train=True, download=True)


def test_what_is_wrong_with_files_that_are_there_is_said(tmp_path: Path) -> None:
    (tmp_path / "omniglot").mkdir()
    for part in ("images_background", "images_evaluation"):
        (tmp_path / "omniglot" / f"{part}.zip").write_bytes(b"no zip")
    with pytest.raises(
        RuntimeError, match=r"OmniglotClassDataset integrity check failed: cannot read .*background.zip"
    ):
        Omniglot(tmp_path, 5, meta_train=True)


def test_there_is_no_validation_without_the_vinyals_split(downloads: Path) -> None:
    with pytest.raises(ValueError, match="only with the Vinyals split; give use_vinyals_split=True"):
        Omniglot(downloads, 5, meta_val=True, use_vinyals_split=False)
