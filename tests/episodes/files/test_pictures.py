import tarfile
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

from episodes import DataError
from episodes.files.pictures import Pictures, decode_picture


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


def pack(path: Path, members: list[tuple[str, bytes]]) -> Path:
    if path.suffix == ".zip":
        with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
            warnings.simplefilter("ignore")  # of a name that is there twice
            for name, content in members:
                archive.writestr(name, content)
    else:
        with tarfile.open(path, "w") as tar:
            for name, content in members:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
    return path


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_a_member_that_is_there_twice_is_named(tmp_path: Path, ending: str) -> None:
    shade = png(Image.new("L", (4, 4), 9))
    path = pack(tmp_path / f"p.{ending}", [("c/a.png", shade), ("c/b.png", shade), ("c/a.png", shade)])
    with pytest.raises(DataError, match=r"'.*p\..*' has the member 'c/a.png' twice; pack it anew with one of them"):
        _ = Pictures(path).paths


HIDDEN = ["__MACOSX/c/._a.png", "c/._a.png", ".thumbnails/a.png", "c/.a.png", "c/.DS_Store"]


@pytest.mark.parametrize("ending", ["zip", "tar"])
def test_what_systems_leave_beside_pictures_is_passed_over_in_archives(tmp_path: Path, ending: str) -> None:
    members = [("./c/a.png", png(Image.new("L", (4, 4), 9))), *((name, b"no picture") for name in HIDDEN)]
    pictures = Pictures(pack(tmp_path / f"p.{ending}", members))
    assert pictures.paths == ["c/a.png"]
    assert pictures.decode(pictures.paths, 16, 1).unique().tolist() == [9]


def test_what_systems_leave_beside_pictures_is_passed_over_in_folders(tmp_path: Path) -> None:
    for name in [*HIDDEN, "c/a.png"]:
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(b"")
    assert Pictures(tmp_path / "set").paths == ["c/a.png"]


def test_links_are_followed_and_one_that_leads_back_is_named(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere" / "b" / "x.png").write_bytes(b"")
    (tmp_path / "set").mkdir()
    for name in ("one", "two"):  # two names of one folder are no loop
        (tmp_path / "set" / name).symlink_to(tmp_path / "elsewhere")
    assert Pictures(tmp_path / "set").paths == ["one/b/x.png", "two/b/x.png"]
    (tmp_path / "elsewhere" / "b" / "back").symlink_to(tmp_path / "set")
    with pytest.raises(DataError, match=r"'.*set/.*/b/back' is a link that leads back to '.*set', which it is in; rem"):
        _ = Pictures(tmp_path / "set").paths


RAMP = np.arange(256, dtype=np.uint16) * 257  # 0 to 65,535, the 16-bit values of the 256 shades


@pytest.mark.parametrize("kind", ["png", "tiff", "big-endian tiff", "32-bit tiff"])
def test_grey_of_16_bits_keeps_its_shades(kind: str) -> None:
    """The shades between are rounded to the nearest, half of the way of 257 up."""
    ramp = np.stack([np.roll(RAMP, number) for number in range(256)])
    ramp[0, :4] = [128, 129, 257 + 128, 257 + 129]
    buffer = BytesIO()
    if kind == "32-bit tiff":
        Image.fromarray(ramp.astype(np.int32)).save(buffer, "tiff")
    elif kind == "big-endian tiff":
        Image.fromarray(ramp.astype(">u2")).save(buffer, "tiff")
    else:
        Image.fromarray(ramp).save(buffer, kind)
    with Image.open(BytesIO(buffer.getvalue())) as opened:
        assert opened.mode.startswith("I")
    decoded = decode_picture(buffer.getvalue(), Path("x"), 256, 1)[0].numpy()
    expected = np.stack([np.roll(np.arange(256), number) for number in range(256)])
    expected[0, :4] = [0, 1, 1, 2]
    assert np.array_equal(decoded, expected)
    assert np.array_equal(decode_picture(buffer.getvalue(), Path("x"), 256, 3)[2].numpy(), expected)


@pytest.mark.parametrize("values", [[0, 70_000], [-1, 5], [0.0, 0.5]])
def test_grey_of_unknown_range_is_refused(values: list[float]) -> None:
    buffer = BytesIO()
    kind = np.float32 if isinstance(values[0], float) else np.int32
    Image.fromarray(np.array([values], dtype=kind)).save(buffer, "tiff")
    with pytest.raises(DataError, match=r"cannot read the picture 'x': its values, from .* to .*, are not of 8 or 16"):
        decode_picture(buffer.getvalue(), Path("x"), 16, 1)


def test_more_images_than_memory_takes_are_refused_before_they_are_made(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(png(Image.new("L", (4, 4))))
    pictures = Pictures(tmp_path)
    with pytest.raises(DataError, match=r"the 3 images of '.*' take 270,000,000.0 GB at 300000000 x .* --image-size"):
        pictures.decode(pictures.paths, 300_000_000, 1)


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
    with pytest.raises(DataError, match=r"cannot read '.*p\..*': .*; download it again"):
        Pictures(path).decode(Pictures(path).paths, 16, 3)


@pytest.mark.parametrize("side", [10_000, 100_000])
def test_a_picture_of_absurd_size_costs_nothing(side: int) -> None:
    content = bytearray(png(Image.new("L", (1, 1))))
    content[16:24] = side.to_bytes(4, "big") * 2
    content[29:33] = crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(DataError, match=r"cannot read the picture 'big.png': .*(claims to be|exceeds limit).*; repair"):
        decode_picture(bytes(content), Path("big.png"), 16, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pictures_are_put_on_white(mode: str) -> None:
    """Black drawn on transparent is black on white; half-transparent black is 127 or 128."""
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, :4], alpha[:, 4:8] = 255, 128
    drawn = Image.fromarray(np.dstack([np.zeros((16, 16, 3), np.uint8), alpha]), "RGBA")
    shown = decode_picture(png(drawn if mode == "RGBA" else drawn.convert(mode)), Path("x"), 16, 1)[0]
    assert shown[:, :4].unique().tolist() == [0]
    assert shown[:, 8:].unique().tolist() == [255]
    assert shown[0, 5].item() in (127, 128)


def test_what_is_drawn_in_white_on_transparent_is_put_on_black() -> None:
    alpha = np.zeros((16, 16), np.uint8)
    alpha[:, :8] = 255
    drawn = Image.fromarray(np.dstack([np.full((16, 16, 3), 255, np.uint8), alpha]), "RGBA")
    shown = decode_picture(png(drawn), Path("x"), 16, 1)[0]
    assert shown[:, :8].unique().tolist() == [255]
    assert shown[:, 8:].unique().tolist() == [0]


def test_links_of_a_tar_are_followed_and_those_that_lead_out_are_refused(tmp_path: Path) -> None:
    def linked(kind: bytes, name: str, target: str) -> Path:
        with tarfile.open(tmp_path / "p.tar", "w") as archive:
            entry = tarfile.TarInfo("a/x.png")
            content = png(Image.new("L", (4, 4), 77))
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            archive.addfile(link)
        return tmp_path / "p.tar"

    for kind, name, target in (
        (tarfile.LNKTYPE, "b/x.png", "a/x.png"),
        (tarfile.SYMTYPE, "b/x.png", "../a/x.png"),
        (tarfile.SYMTYPE, "b", "a"),
    ):
        pictures = Pictures(linked(kind, name, target))
        assert pictures.paths == ["a/x.png", "b/x.png"]
        assert pictures.decode(pictures.paths, 4, 1).unique().tolist() == [77]
    for target, why in (("../../x.png", "leads out of it"), ("/x.png", "leads out of it"), ("y.png", "is not in it")):
        with pytest.raises(DataError, match=rf"has a link 'b/x.png' to '.*', which {why}; pack it anew"):
            _ = Pictures(linked(tarfile.SYMTYPE, "b/x.png", target)).paths


def test_a_tar_cut_at_a_members_end_is_refused(tmp_path: Path) -> None:
    shade = png(Image.new("L", (4, 4), 9))
    path = pack(tmp_path / "p.tar", [("c/a.png", shade), ("d/a.png", shade)])
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(DataError, match="is cut short or damaged: it does not end as tars do; download it again"):
        _ = Pictures(path).paths


def test_all_broken_pictures_are_named_at_once(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"{number:02}.png").write_bytes(b"none")
    pictures = Pictures(tmp_path)
    with pytest.raises(
        DataError, match=r"cannot read 12 pictures of .*: '00.png': .*; '09.png': .*; and 2 more; repair"
    ):
        pictures.decode(pictures.paths, 16, 1)


def test_a_format_that_is_not_read_is_refused_and_other_files_are_counted(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "a.png").write_bytes(png(Image.new("L", (4, 4))))
    (tmp_path / "c" / "notes.txt").write_bytes(b"")
    assert Pictures(tmp_path).left_out == {".txt": 1}
    (tmp_path / "c" / "b.svg").write_bytes(b"")
    with pytest.raises(DataError, match=r"has 1 pictures of formats that cannot be read here \(.svg 1\), in c;"):
        _ = Pictures(tmp_path).left_out
