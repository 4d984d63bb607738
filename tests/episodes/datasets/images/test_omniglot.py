import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from episodes import DataError, DataOptions, Dataset, load
from tests.episodes.datasets.images.conftest import unreadable


@pytest.fixture(scope="module")
def vinyals(data_root: Path) -> Dataset:
    return load("omniglot", DataOptions(data_root))


@pytest.fixture(scope="module")
def lake(data_root: Path) -> Dataset:
    return load("omniglot", DataOptions(data_root, split="lake"))


def characters(names: tuple[str, ...]) -> set[str]:
    return {name.split("/rot")[0] for name in names}


def test_vinyals_counts_are_the_published_ones(vinyals: Dataset) -> None:
    assert [vinyals.train.classes, vinyals.validation.classes, vinyals.test.classes] == [4 * 1028, 172, 423]
    assert set(vinyals.train.class_sizes) == {20}
    assert len(characters(vinyals.train.class_names)) + 172 == 1200


def test_lakes_counts_are_the_published_ones(lake: Dataset) -> None:
    """30 background alphabets of 964 characters, 20 evaluation alphabets of 659 (Lake et al. 2015)."""
    assert lake.train.classes + lake.validation.classes == 964
    assert lake.test.classes == 659
    assert [len(set(bank.groups)) for bank in (lake.train, lake.validation, lake.test)] == [25, 5, 20]


def test_no_character_is_in_two_splits(vinyals: Dataset, lake: Dataset) -> None:
    for dataset in (vinyals, lake):
        parts = [characters(bank.class_names) for bank in (dataset.train, dataset.validation, dataset.test)]
        assert sum(map(len, parts)) == len(set().union(*parts)) == 1623


def test_a_class_holds_the_drawings_of_its_file(vinyals: Dataset, data_root: Path) -> None:
    name = vinyals.test.class_names[100]
    first = vinyals.test.images[vinyals.test.class_starts[100], 0].float() / 255
    with zipfile.ZipFile(data_root / "omniglot-py" / "images_evaluation.zip") as evaluation:
        entries = sorted(entry for entry in evaluation.namelist() if f"/{name}/" in entry and entry.endswith(".png"))
        drawing = np.asarray(Image.open(io.BytesIO(evaluation.read(entries[0]))).convert("L"))
    ink = torch.from_numpy((drawing < 128).astype(np.float32))
    averaged = torch.nn.functional.adaptive_avg_pool2d(ink[None, None], 28)[0, 0]
    assert np.corrcoef(averaged.flatten(), first.flatten())[0, 1] > 0.95


def test_rotated_classes_are_the_upright_ones_turned(vinyals: Dataset) -> None:
    upright = vinyals.train.images[vinyals.train.class_starts[5]]
    turned = vinyals.train.class_names.index(vinyals.train.class_names[5] + "/rot180")
    assert torch.equal(vinyals.train.images[vinyals.train.class_starts[turned]], torch.rot90(upright, 2, (1, 2)))


@pytest.mark.slow
def test_a_tree_is_read_as_the_zips_are(lake: Dataset, data_root: Path, tmp_path: Path) -> None:
    for part in ("images_background", "images_evaluation"):
        with zipfile.ZipFile(data_root / "omniglot-py" / f"{part}.zip") as archive:
            archive.extractall(tmp_path)
    assert load("omniglot", DataOptions(tmp_path, split="lake")).test.fingerprint == lake.test.fingerprint


def with_one_changed(source: Path, target: Path, change: bytes) -> str:
    """A copy of the zip in which one drawing has other bytes; returns its name."""
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, "w") as after:
        pictures = [entry for entry in before.namelist() if entry.endswith(".png")]
        for entry in pictures:
            after.writestr(entry, change if entry == pictures[777] else before.read(entry))
    return pictures[777]


def blank() -> bytes:
    file = io.BytesIO()
    Image.new("1", (105, 105)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [(b"x", "cannot read the picture"), (blank(), "are not Omniglot's")],
    ids=["corrupt", "another picture"],
)
def test_changed_drawings_are_found(data_root: Path, tmp_path: Path, change: bytes, message: str) -> None:
    source = data_root / "omniglot-py"
    name = with_one_changed(source / "images_background.zip", tmp_path / "images_background.zip", change)
    (tmp_path / "images_evaluation.zip").symlink_to(source / "images_evaluation.zip")
    with pytest.raises(DataError, match=message) as error:
        load("omniglot", DataOptions(tmp_path))
    assert "download" in str(error.value)
    assert (name in str(error.value)) == (change == b"x")


def test_an_archive_that_is_packed_otherwise_is_one_line(data_root: Path, tmp_path: Path) -> None:
    source = data_root / "omniglot-py"
    (tmp_path / "images_background.zip").write_bytes(unreadable((source / "images_background.zip").read_bytes()))
    (tmp_path / "images_evaluation.zip").symlink_to(source / "images_evaluation.zip")
    with pytest.raises(DataError, match=r"cannot read '.*images_background.zip': .* compression .*; download it again"):
        load("omniglot", DataOptions(tmp_path))


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # nothing listens there: as without a network
    with pytest.raises(DataError, match=r"needs images_background.zip and images_evaluation.zip in .*download failed"):
        load("omniglot", DataOptions(tmp_path))
    with pytest.raises(DataError, match="is not a folder; name one that holds"):
        load("omniglot", DataOptions(tmp_path / "none"))


def test_incomplete_files_are_counted(tmp_path: Path) -> None:
    for part in ("images_background", "images_evaluation"):
        for folder in ("character01", ".trash"):  # which is none of it
            (tmp_path / part / "Greek" / folder).mkdir(parents=True)
            (tmp_path / part / "Greek" / folder / "0001_01.png").write_bytes(blank())
    with pytest.raises(DataError, match="has 1 alphabets and 1 characters; Omniglot's has 30 and 964"):
        load("omniglot", DataOptions(tmp_path))


def test_unknown_splits_get_the_nearest_name(data_root: Path) -> None:
    with pytest.raises(DataError, match="has no split 'vinyal'; did you mean 'vinyals'"):
        load("omniglot", DataOptions(data_root, split="vinyal"))
