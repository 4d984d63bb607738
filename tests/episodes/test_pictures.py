import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from episodes import DataError
from episodes.pictures import Pictures, decode_picture


def png(picture: Image.Image, **options: object) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, "png", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def test_the_middle_is_cropped() -> None:
    stripes = np.zeros((10, 30, 3), np.uint8)
    stripes[:, 10:20] = 255
    assert decode_picture(png(Image.fromarray(stripes)), Path("x"), 10, 1).min() == 255


def test_a_camera_held_upright_is_respected() -> None:
    half = np.zeros((16, 16, 3), np.uint8)
    half[:8] = 255  # stored with its top white
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by 90 degrees
    shown = decode_picture(png(Image.fromarray(half), exif=exif), Path("x"), 16, 1)[0].float()
    assert shown[:, 8:].mean() > 250
    assert shown[:, :8].mean() < 5


def test_pictures_are_decoded_in_the_order_asked_for(tmp_path: Path) -> None:
    shades = [10, 200, 90]
    with tarfile.open(tmp_path / "p.tar", "w") as archive:
        for shade in shades:
            entry = tarfile.TarInfo(f"a/{shade}.png")
            content = png(Image.new("L", (20, 20), shade))
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    pictures = Pictures(tmp_path / "p.tar")
    assert pictures.paths == ["a/10.png", "a/200.png", "a/90.png"]
    order = ["a/90.png", "a/10.png", "a/200.png"]
    assert pictures.decode(order, 16, 1)[:, 0, 0, 0].tolist() == [90, 10, 200]


@pytest.mark.parametrize("member", ["../outside.png", "/etc/outside.png", "a/../../outside.png"])
def test_an_archive_that_leads_out_is_refused(tmp_path: Path, member: str) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr(member, b"x")
    with pytest.raises(DataError, match=r"has a member '.*outside.png' that leads out of it; fetch it from a source"):
        _ = Pictures(tmp_path / "p.zip").paths


@pytest.mark.parametrize("ending", ["zip", "tar.gz"])
def test_an_archive_that_is_cut_short_is_named(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"p.{ending}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(png(Image.fromarray(noise)))
    if ending == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(tmp_path / "a.png", "c/a.png")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(tmp_path / "a.png", "c/a.png")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot read '.*p\..*': .*; fetch it anew"):
        Pictures(path).decode(Pictures(path).paths, 16, 3)


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_a_picture_of_absurd_size_costs_nothing(side: int) -> None:
    content = bytearray(png(Image.new("L", (1, 1))))
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(DataError, match=r"cannot read the picture 'big.png': .*(claims to be|exceeds limit).*; mend"):
        decode_picture(bytes(content), Path("big.png"), 16, 3)
