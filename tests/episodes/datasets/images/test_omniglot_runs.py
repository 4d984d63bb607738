"""Lake's one-shot runs, on the real drawings."""

import zipfile
from pathlib import Path

import pytest
import torch

from episodes import DataError, DataOptions, EpisodeList, load
from tests.episodes.datasets.images.conftest import unreadable


def test_the_runs_are_lakes(data_root: Path) -> None:
    dataset = load("omniglot", DataOptions(data_root=data_root, split="one-shot"))
    lake = load("omniglot", DataOptions(data_root=data_root, split="lake"))
    assert len(dataset.test_episodes) == 20
    assert dataset.train.fingerprint == lake.train.fingerprint
    batch = EpisodeList(dataset.test, dataset.test_episodes).batch(range(20))
    assert batch.support.shape == batch.query.shape == (20, 20, 1, 28, 28)
    assert batch.ways == 20
    # Every drawing is one of the evaluation set's, and the two of a pair are of the same character.
    known = {
        image.numpy().tobytes(): int(label) for image, label in zip(lake.test.images, lake.test.labels, strict=True)
    }
    support, query = (
        [[known[image.numpy().tobytes()] for image in run] for run in images] for images in (batch.support, batch.query)
    )
    assert [
        [run[label] for label in labels] for run, labels in zip(support, batch.query_labels.tolist(), strict=True)
    ] == query
    assert all(len({lake.test.groups[character] for character in run}) == 1 for run in support)


def test_nearest_neighbour_in_pixels_has_the_error_that_lake_reports(data_root: Path) -> None:
    """Lake's demo matches by the modified Hausdorff distance, 38.8% errors; plain pixels do worse than that."""
    dataset = load("omniglot", DataOptions(data_root=data_root, split="one-shot"))
    batch = EpisodeList(dataset.test, dataset.test_episodes).batch(range(20)).to_float()
    distances = torch.cdist(batch.query.flatten(2), batch.support.flatten(2))
    wrong = float((distances.argmin(2) != batch.query_labels).float().mean())
    assert 0.388 < wrong < 0.95


def test_other_drawings_and_missing_files_are_one_line(data_root: Path, tmp_path: Path) -> None:
    source = data_root / "omniglot-one-shot" / "all_runs.zip"
    (tmp_path / "omniglot-py").symlink_to(data_root / "omniglot-py")
    options = DataOptions(data_root=tmp_path, split="one-shot")
    whole = source.read_bytes()
    (tmp_path / "all_runs.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot read Lake's runs from .*download all_runs.zip again"):
        load("omniglot", options)
    (tmp_path / "all_runs.zip").write_bytes(unreadable(whole))
    with pytest.raises(DataError, match=r"cannot read Lake's runs from .* compression .*download all_runs.zip again"):
        load("omniglot", options)
    with zipfile.ZipFile(source) as original, zipfile.ZipFile(tmp_path / "all_runs.zip", "w") as changed:
        for entry in original.namelist():
            other = entry.replace("class01", "class02") if entry.endswith("png") else entry
            changed.writestr(entry, original.read(other))
    with pytest.raises(DataError, match="are not those of Lake's 20 runs"):
        load("omniglot", options)
