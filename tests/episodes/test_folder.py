from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes import DataError, DataOptions, Dataset, ImageBank, load


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six colours as classes, three pictures each, of several formats, sizes and modes, one of them nested."""
    root = tmp_path / "colours"
    for number in range(6):
        folder = root / f"colour{number}"
        (folder / "more").mkdir(parents=True)
        colour = (40 * number, 0, 255 - 40 * number)
        Image.new("RGB", (40, 30), colour).save(folder / "a.png")
        Image.new("RGBA", (20, 50), (*colour, 255)).save(folder / "b.png")
        Image.new("RGB", (64, 64), colour).save(folder / "more" / "c.JPG", quality=95)
    return root


def parts(dataset: Dataset) -> list[ImageBank]:
    return [dataset.train, dataset.validation, dataset.test]


def test_every_picture_is_read_once(pictures: Path) -> None:
    dataset = load(f"folder:{pictures}", DataOptions(image_size=16))
    assert [bank.classes for bank in parts(dataset)] == [2, 2, 2]
    for bank in parts(dataset):
        assert bank.class_sizes == (3, 3)
        assert bank.image_shape == (3, 16, 16)
        for name, start in zip(bank.class_names, bank.class_starts, strict=True):
            number = int(name[-1])
            expected = np.array([40 * number, 0, 255 - 40 * number])
            found = bank.images[start : start + 3].permute(0, 2, 3, 1).reshape(-1, 3).numpy()
            assert np.abs(found - expected).max() <= 4  # JPEG


def test_size_and_grey_can_be_chosen(pictures: Path) -> None:
    assert load(f"folder:{pictures}").train.image_shape == (3, 84, 84)
    grey = load(f"folder:{pictures}", DataOptions(image_size=20, channels=1)).train
    assert grey.image_shape == (1, 20, 20)


def test_the_middle_is_cropped(tmp_path: Path) -> None:
    from episodes.datasets.folder import read_picture

    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert read_picture(tmp_path / "stripes.png", 10, 1).min() == 255


def test_a_camera_held_upright_is_respected(tmp_path: Path) -> None:
    from episodes.datasets.folder import read_picture

    half = np.zeros((16, 16, 3), np.uint8)
    half[:8] = 255  # stored with its top white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    Image.fromarray(half).save(tmp_path / "half.png", exif=exif)
    shown = read_picture(tmp_path / "half.png", 16, 1)[0].float()
    assert shown[:, 8:].mean() > 250
    assert shown[:, :8].mean() < 5


@pytest.mark.parametrize("broken", [b"", b"not a picture", "cut"])
def test_a_corrupt_picture_is_named(pictures: Path, broken: bytes | str) -> None:
    victim = pictures / "colour3" / "more" / "c.JPG"
    victim.write_bytes(victim.read_bytes()[:200] if isinstance(broken, str) else broken)
    with pytest.raises(DataError, match=r"cannot read the picture '.*colour3/more/c.JPG': .*; mend or remove it"):
        load(f"folder:{pictures}")


def test_a_picture_of_absurd_size_is_named(pictures: Path) -> None:
    from PIL import PngImagePlugin

    header = b"\x89PNG\r\n\x1a\n"
    body = (100_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    with (pictures / "colour1" / "a.png").open("wb") as file:
        file.write(header)
        PngImagePlugin.putchunk(file, b"IHDR", body)
        PngImagePlugin.putchunk(file, b"IEND")
    with pytest.raises(DataError, match=r"cannot read the picture '.*colour1/a.png'"):
        load(f"folder:{pictures}")


def test_folders_without_pictures_are_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder '.*none'; --dataset folder:PATH needs one"):
        load(f"folder:{tmp_path / 'none'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"'.*empty' does not hold a folder of pictures for each class: "):
        load(f"folder:{tmp_path / 'empty'}")
    (pictures / "colour6").mkdir()
    with pytest.raises(DataError, match=r"does not hold a folder of pictures for each class: .*colour6"):
        load(f"folder:{pictures}")


def test_an_explicit_split_is_followed(pictures: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text('{"train": ["colour5"], "validation": ["colour1"], "test": ["colour0", "colour2"]}')
    dataset = load(f"folder:{pictures}", DataOptions(image_size=16, split=str(split)))
    assert [bank.class_names for bank in parts(dataset)] == [("colour5",), ("colour1",), ("colour0", "colour2")]


def test_real_photographs(data_root: Path, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(data_root / "tiny-imagenet-160" / "images.zip") as archive:
        archive.extractall(tmp_path)
    roots = [path for path in tmp_path.rglob("tabby") if path.is_dir()]
    split = data_root / "tiny-imagenet-160" / "split.json"
    dataset = load(f"folder:{roots[0].parent}", DataOptions(image_size=32, split=str(split)))
    assert [bank.classes for bank in parts(dataset)] == [100, 24, 36]
    assert set(dataset.test.class_sizes) == {120}
    assert 60 < dataset.test.images.float().mean() < 190
