"""Folders and archives as people have them: read whole, or refused in one line that names what is wrong."""

import io
import os
import shutil
import stat
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes import DataError, DataOptions, load

RANDOM = np.random.default_rng(0)


def picture(kind: str = "png", mode: str = "L", size: tuple[int, int] = (16, 16)) -> bytes:
    made = io.BytesIO()
    pixels = RANDOM.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(made, kind)
    return made.getvalue()


def classes(root: Path, *names: str, each: int = 2, ending: str = "png") -> Path:
    for name in names or ("c0", "c1", "c2", "c3", "c4", "c5"):
        (root / name).mkdir(parents=True)
        for number in range(each):
            (root / name / f"{number}.{ending}").write_bytes(picture())
    return root


def with_file(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(place: Path) -> Path:
        file = classes(place / "d") / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        return place / "d"

    return make


def zipped(place: Path, method: int = zipfile.ZIP_STORED, name: str = "d.zip", **more: bytes) -> Path:
    """A zip of six classes, and of more members: by name, with two underscores for a slash."""
    root = classes(place / "d")
    with zipfile.ZipFile(place / name, "w", method) as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, path.relative_to(root))
        for member, content in more.items():
            archive.writestr(member.replace("__", "/"), content)
    return place / name


def changed(archive: Path, *changes: tuple[bytes, bytes]) -> Path:
    content = archive.read_bytes()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new)
    archive.write_bytes(content)
    return archive


def tarred(place: Path, mode: str = "w", name: str = "d.tar", *more: tuple[str, bytes, str]) -> Path:
    """A tar of six classes, and of more members: name, type and what it links to."""
    root = classes(place / "d")
    with tarfile.open(place / name, mode) as archive:  # type: ignore[call-overload]
        archive.add(root, "d")
        for member, kind, link in more:
            info = tarfile.TarInfo(member)
            info.type, info.linkname = kind, link
            archive.addfile(info)
    return place / name


def tar_with(*more: tuple[str, bytes, str]) -> Callable[[Path], Path]:
    return lambda place: tarred(place, "w", "d.tar", *more)


def nothing(place: Path) -> Path:
    with zipfile.ZipFile(place / "d.zip", "w") as archive:
        archive.writestr("c0/", b"")
    return place / "d.zip"


def zipped_twice(place: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped(place, **{"c0__0.png": picture()})


def with_link(archive: Path) -> Path:
    link = zipfile.ZipInfo("c9")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(link, "c0")
    return archive


def half(file: Path) -> Path:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 1024 * 512])
    return file


def flipped(file: Path, place: int) -> Path:
    content = bytearray(file.read_bytes())
    content[place if place >= 0 else len(content) // 2] ^= 255
    file.write_bytes(content)
    return file


def written(file: Path, content: bytes) -> Path:
    file.write_bytes(content)
    return file


def emptied(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


def linked(root: Path, name: str, to: str) -> Path:
    (root / name).symlink_to(to)
    return root


def absurd() -> bytes:
    """A small file that says it has 60,000 x 60,000 pixels."""
    content = bytearray(picture())
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(bytes(content[12:29])))
    return bytes(content)


def parts(place: Path, *names: str, same: bool = False) -> Path:
    for number, name in enumerate(names):
        classes(place / "d" / name, *(f"{'' if same else number}{each}" for each in "ab"))
    return place / "d"


def two_forms(place: Path) -> Path:
    return classes(classes(place / "d"), *(unicodedata.normalize(form, "café") for form in ("NFC", "NFD")))


def foreign(place: Path) -> Path:
    name = os.fsencode(classes(place / "d")) + b"/caf\xe9"
    folder = Path(os.fsdecode(name))
    folder.mkdir()
    (folder / "0.png").write_bytes(picture())
    return place / "d"


def pipe(place: Path) -> Path:
    os.mkfifo(classes(place / "d") / "c0" / "p.png")
    return place / "d"


def sparse(place: Path) -> Path:
    with (classes(place / "d") / "c0" / "h.png").open("wb") as file:
        file.truncate(60 << 30)
    return place / "d"


def nested(place: Path) -> Path:
    inner = zipped(place, name="inner.zip")
    with zipfile.ZipFile(place / "d.zip", "w") as archive:
        archive.write(inner, "inner.zip")
    return place / "d.zip"


def no_ending(place: Path) -> Path:
    for path in (classes(place / "d") / "c0").iterdir():
        path.rename(path.with_suffix(""))
    return place / "d"


def floats() -> bytes:
    made = io.BytesIO()
    Image.fromarray(np.full((16, 16), 0.5, np.float32)).save(made, "tiff")
    return made.getvalue()


ENCRYPTED = (
    (b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\x01\0"),
    (b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\x01\0"),
)
NO_PICTURE, OUT = (
    "its content is not a picture; repair or remove it",
    "leads out of it; fetch it from a source you trust",
)
REPAIR, CLASSES = "repair or remove it", "does not hold a folder of pictures for each class: "

REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "cut png": (with_file("c0/0.png", picture()[:60]), f"c0/0.png': image file is truncated; {REPAIR}"),
    "cut jpeg": (with_file("c0/x.jpg", picture("jpeg")[:300]), f"c0/x.jpg': .*; {REPAIR}"),
    "damaged png": (
        lambda place: flipped(classes(place / "d") / "c0" / "0.png", 50).parents[1],
        f"'.*0.png': .*; {REPAIR}",
    ),
    "text": (with_file("c0/0.png", b"hello"), NO_PICTURE),
    "a web page": (with_file("c0/0.jpg", b"<html>404</html>"), NO_PICTURE),
    "empty file": (with_file("c0/0.png", b""), f"it is empty; {REPAIR}"),
    "vector": (with_file("c0/a.svg", b"<svg/>"), r"cannot be read here \(.svg 1\), in c0; convert them to PNG or JPEG"),
    "class of vectors": (with_file("c9/a.svg", b"<svg/>"), r"\(.svg 1\), in c9; convert them"),
    "telephone": (with_file("c9/a.HEIC", b"x"), r"\(.heic 1\), in c9; convert them"),
    "camera": (with_file("c0/a.NEF", b"x"), r"\(.nef 1\), in c0; convert them"),
    "absurd size": (with_file("c0/0.png", absurd()), f"(claims to be|exceeds limit).*; {REPAIR}"),
    "floats": (with_file("c0/0.tif", floats()), f"its values, from 0.5 to 0.5, are not of 8 or 16 bits; {REPAIR}"),
    "sparse file of 60 GB": (sparse, f"has 64,424,509,440 bytes, more than any that is read .*; {REPAIR}"),
    "empty class": (lambda place: emptied(classes(place / "d"), "c9").parent / "d", f"{CLASSES}found no picture in c9"),
    "empty class below": (
        lambda place: emptied(classes(classes(place / "d" / "g", "a", "b").parent / "h").parent, "g/c9"),
        f"{CLASSES}found no picture in g/c9",
    ),
    "no endings": (no_ending, f"{CLASSES}found no picture in c0"),
    "beside folders": (
        with_file("x.png", picture()),
        f"{CLASSES}some of its pictures are in no folder, beside folders",
    ),
    "no folders": (lambda place: classes(place, "d"), "has 1 class|its pictures are in no folder"),
    "no pictures": (lambda place: emptied(place, "d") / "d", f"{CLASSES}it has no pictures"),
    "one class": (
        lambda place: classes(place / "d", "c0"),
        "has 1 class; train, validation and test need ",
    ),
    "five classes": (lambda place: classes(place / "d", *"abcde"), "has 5 classes; train, validation and test need at"),
    "two depths": (
        lambda place: classes(classes(place / "d" / "g").parent, "x", "y"),
        "can be read in two ways: 'x' has pictures, and 'g' only folders",
    ),
    "two forms of Unicode": (two_forms, "has class 'café' twice, in two of Unicode's forms"),
    "not UTF-8": (foreign, "has a folder whose name is not UTF-8, .*; rename it"),
    "pipe": (pipe, "p.png' is a named pipe, a socket or a device, not a picture; remove it"),
    "link to nothing": (
        lambda place: linked(classes(place / "d"), "c0/l.png", str(place / "nowhere.png")),
        f".*; {REPAIR}",
    ),
    "class linked to nothing": (
        lambda place: linked(classes(place / "d"), "c9", str(place / "nowhere")),
        "is a link to nothing; ",
    ),
    "circle": (
        lambda place: linked(classes(place / "d"), "c0/loop", ".."),
        "is a link that leads back to ",
    ),
    "no test": (
        lambda place: parts(place, "train", "val"),
        "has classes for train and validation and none for test",
    ),
    "no validation": (lambda place: parts(place, "train", "test"), "for test and train and none for validation; add"),
    "empty validation": (
        lambda place: emptied(parts(place, "train", "test"), "valid"),
        "for test and train and none for validation; add",
    ),
    "same classes": (
        lambda place: parts(place, "train", "val", "test", same=True),
        "class 'a' is in train and in validation, and few-shot parts have no class in common; leave it in one",
    ),
    "a fourth part": (
        lambda place: parts(place, "train", "val", "test", "extra"),
        r"parts of a split and others \('extra'\); leave train, validation and test",
    ),
    "a file": (
        lambda place: written(place / "f.txt", b"x"),
        "is neither a .zip nor a .tar file; --dataset",
    ),
    "7z": (lambda place: written(place / "d.7z", b"7z\xbc\xaf\x27\x1c"), "is neither a .zip nor a .tar file"),
    "rar": (lambda place: written(place / "d.rar", b"Rar!"), "is neither a .zip nor a .tar file"),
    "zstandard": (lambda place: written(place / "d.tar.zst", b"\x28\xb5\x2f\xfd"), "is neither a .zip nor a .tar file"),
    "nothing": (lambda place: place / "none", "there is no folder '.*none'; --dataset folder:PATH needs"),
    "a device": (lambda place: Path("/dev/null"), "is neither a folder nor a file, or is a broken link"),
    "too long a name": (lambda place: place / ("x" * 5000), "File name too long; --dataset folder:PATH needs"),
    "empty zip file": (lambda place: written(place / "d.zip", b""), "cannot read '.*d.zip': .*; download it again"),
    "text called zip": (
        lambda place: written(place / "d.zip", b"hello" * 99),
        "d.zip': File is not a zip file; ",
    ),
    "cut zip": (lambda place: half(zipped(place)), "d.zip': File is not a zip file; download it again"),
    "zip of nothing": (nothing, f"{CLASSES}it has no pictures"),
    "zip in a zip": (nested, f"{CLASSES}it has no pictures"),
    "wrong checksum": (lambda place: flipped(zipped(place), 100), r"its bytes in the archive are damaged \(Bad CRC-32"),
    "encrypted": (
        lambda place: changed(zipped(place), *ENCRYPTED),
        "is locked with a password ",
    ),
    "encrypted, with a link": (
        lambda place: changed(with_link(zipped(place)), *ENCRYPTED),
        "is locked with a password ",
    ),
    "a class without pictures, in a zip": (
        lambda place: zipped(place, **{"c9__0.txt": b"no picture"}),
        f"{CLASSES}found no picture in c9",
    ),
    "a member twice": (zipped_twice, "has the member 'c0/0.png' twice; pack it anew"),
    "zip slip": (
        lambda place: zipped(place, **{"..__evil__0.png": picture()}),
        f"'../evil/0.png' that {OUT}",
    ),
    "absolute member": (lambda place: zipped(place, **{"__etc__0.png": picture()}), f"member '/etc/0.png' that {OUT}"),
    "cut tar": (
        lambda place: half(tarred(place)),
        "(is cut short or damaged: |empty header).*; download it again",
    ),
    "cut tar.gz": (lambda place: half(tarred(place, "w:gz", "d.tar.gz")), "file ended before the end-of-stream marker"),
    "cut tar.xz": (lambda place: half(tarred(place, "w:xz", "d.tar.xz")), "file ended before the end-of-stream marker"),
    "damaged tar.gz": (
        lambda place: flipped(tarred(place, "w:gz", "d.tar.gz"), -1),
        "(download it again|damaged)",
    ),
    "pipe in a tar": (
        tar_with(("d/c0/p.png", tarfile.FIFOTYPE, "")),
        "d.tar/d/c0/p.png' is a named pipe, a socket or a device",
    ),
    "device in a tar": (
        tar_with(("d/c0/p.png", tarfile.CHRTYPE, "")),
        "is a named pipe, a socket or a device",
    ),
    "tar slip": (
        tar_with(("../e/x.png", tarfile.REGTYPE, "")),
        f"has a member '../e/x.png' that {OUT}",
    ),
    "link out of a tar": (
        tar_with(("d/c0/x.png", tarfile.SYMTYPE, "/etc/passwd")),
        "has a link 'd/c0/x.png' to '/etc/passwd', which leads out of it; pack it anew with the files",
    ),
    "link in a circle": (
        tar_with(("d/c0/x.png", tarfile.SYMTYPE, "y.png"), ("d/c0/y.png", tarfile.SYMTYPE, "x.png")),
        "to '[xy].png', which leads in a circle; pack it anew",
    ),
    "hard link to nothing": (
        tar_with(("d/c0/x.png", tarfile.LNKTYPE, "d/none.png")),
        "has a link 'd/c0/x.png' to 'd/none.png', which ",
    ),
    "a member of a tar twice": (
        tar_with(("d/c0/0.png", tarfile.REGTYPE, "")),
        "has the member 'd/c0/0.png' twice; pack it anew",
    ),
}


def backslashes(place: Path) -> Path:
    root = classes(place / "d")
    with zipfile.ZipFile(place / "d.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            info = zipfile.ZipInfo("x")
            info.filename = f"{path.parent.name}\\{path.name}"
            archive.writestr(info, path.read_bytes())
    return place / "d.zip"


def left_by_systems(place: Path) -> Path:
    root = classes(place / "d")
    for name in (".DS_Store", "c0/._0.png", "__MACOSX/._x.png", "c0/.hidden.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def with_a_zip_last(place: Path) -> Path:
    inner, archive = place / "inner.zip", tarred(place)
    with zipfile.ZipFile(inner, "w") as notes:
        notes.writestr("notes.txt", "of another time")
    with tarfile.open(archive, "w") as made:
        made.add(place / "d", "d")
        made.add(inner, ".notes")  # hidden, so that it is no picture left out
    return archive


READ: dict[str, Callable[[Path], Path]] = {  # six classes of two pictures, all of them
    "plain": lambda place: classes(place / "d"),
    "capitals": lambda place: classes(place / "d", ending="PNG"),
    "jpeg called png": lambda place: written(classes(place / "d") / "c0" / "0.png", picture("jpeg")).parents[1],
    "jpe": lambda place: written(classes(place / "d") / "c0" / "0.png", picture("jpeg", "CMYK")).parents[1],
    "a pixel": lambda place: written(classes(place / "d") / "c0" / "0.png", picture(size=(1, 1))).parents[1],
    "thin": lambda place: written(classes(place / "d") / "c0" / "0.png", picture(size=(1, 4000))).parents[1],
    "below folders": lambda place: classes(place / "d" / "a" / "b").parents[1],
    "parts": lambda place: parts(place, "train", "valid", "test"),
    "parts in capitals": lambda place: parts(place, "Training", "VAL", "Testing"),
    "what systems leave": left_by_systems,
    "long name": lambda place: classes(place / "d", "x" * 250, *"abcde"),
    "zip by bzip2": lambda place: zipped(place, zipfile.ZIP_BZIP2),
    "zip by lzma": lambda place: zipped(place, zipfile.ZIP_LZMA),
    "zip behind a program": lambda place: written(place / "e.zip", b"#!/bin/sh\n" + zipped(place).read_bytes()),
    "zip called tar": lambda place: zipped(place, name="d.tar"),
    "backslashes": backslashes,
    "tar with a zip in it": with_a_zip_last,
    "tar called zip": lambda place: tarred(place, "w", "d.zip"),
    "tar.gz called tar": lambda place: tarred(place, "w:gz"),
    "tar.bz2": lambda place: tarred(place, "w:bz2", "d.tar.bz2"),
    "tgz": lambda place: tarred(place, "w:gz", "d.tgz"),
    "link to a class": lambda place: linked(
        shutil.move(classes(place / "d") / "c0", place / "c0").parent / "d", "c0", str(place / "c0")
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_line(fault: str, tmp_path: Path) -> None:
    make, message = REFUSED[fault]
    path = make(tmp_path)
    with pytest.raises(DataError, match=message) as error:
        load(f"folder:{path}", DataOptions(image_size=16))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", READ)
def test_what_can_be_read_is_read_whole(kind: str, tmp_path: Path) -> None:
    dataset = load(f"folder:{READ[kind](tmp_path)}", DataOptions(image_size=16))
    banks = (dataset.train, dataset.validation, dataset.test)
    assert [bank.class_sizes for bank in banks] == [(2, 2)] * 3
    assert all(bank.images.double().std() > 30 for bank in banks)
