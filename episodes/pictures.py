"""Pictures in a folder tree or an archive: listed, checked, decoded in parallel."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from episodes.errors import DataError
from episodes.memory import check_memory

ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")  # as torchvision's ImageFolder
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
MOST_PIXELS = 2**26  # of one picture; one that claims more is broken, or made to exhaust memory
BROKEN = (OSError, zipfile.BadZipFile, zlib.error, tarfile.TarError, EOFError)  # what archives that are cut short raise
AT_ONCE = 1024  # pictures whose bytes are in memory while they are decoded


class Pictures:
    """The picture files below a folder, or in a .zip, .tar, .tar.gz or .tgz.

    Attributes:
        root: the folder or archive.

    Raises:
        DataError: from whatever is asked of it: something is missing or cannot be read, or a member of the archive
            leads out of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def paths(self) -> list[str]:
        """Of the pictures, relative to the root, sorted; not of hidden ones."""
        try:
            members = sorted(self._members())
        except BROKEN as error:
            raise _unreadable(self.root, error) from None
        for path in members:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise DataError(
                    f"'{self.root}' has a member '{path}' that leads out of it; fetch it from a source you trust"
                )
        paths = [path for path in members if path.lower().endswith(ENDINGS) and not is_hidden(path)]
        for path, following in itertools.pairwise(paths):
            if path == following:
                raise DataError(f"'{self.root}' has the member '{path}' twice; pack it anew with one of them")
        return paths

    def files(self) -> list[Path]:
        """The files that what is read depends on: each picture, or the archive that has them all."""
        root = self.root.resolve()
        return [root / path for path in self.paths] if root.is_dir() else [root]

    def decode(self, paths: Sequence[str], size: int, channels: int) -> Tensor:
        """`[len(paths), channels, size, size]` uint8, see `to_square`; in parallel.

        Raises:
            DataError: a picture that cannot be read; names it. Or more images than memory takes.
        """
        check_memory(str(self.root), (len(paths), channels, size, size))
        images = torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
        place = {path: number for number, path in enumerate(paths)}

        def decode(item: tuple[str, bytes]) -> None:
            images[place[item[0]]] = decode_picture(item[1], self.root / item[0], size, channels)

        contents = self._contents(place.keys())
        with ThreadPoolExecutor() as pool:
            while block := list(itertools.islice(contents, AT_ONCE)):
                for _ in pool.map(decode, block):
                    pass  # raises what went wrong
        return images

    def _members(self) -> Iterator[str]:
        if self.root.is_dir():
            yield from _walk(self.root)
        elif self.root.suffix.lower() == ".zip":
            with zipfile.ZipFile(self.root) as archive:
                yield from (entry.filename for entry in archive.infolist() if not entry.is_dir())
        else:
            with tarfile.open(self.root) as archive:
                yield from (entry.name for entry in archive if entry.isfile())

    def _contents(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Paths and bytes in the order in which they are read fastest."""
        try:
            if self.root.is_dir():
                yield from ((path, (self.root / path).read_bytes()) for path in wanted)
            elif self.root.suffix.lower() == ".zip":
                with zipfile.ZipFile(self.root) as archive:
                    yield from ((path, archive.read(path)) for path in wanted)
            else:
                with tarfile.open(self.root) as archive:
                    for entry in archive:
                        if entry.name in wanted and (file := archive.extractfile(entry)):
                            yield entry.name, file.read()
        except BROKEN as error:
            raise _unreadable(self.root, error) from None


def _walk(root: Path) -> Iterator[str]:
    """The files below a folder, relative to it; links are followed, and one that leads back is refused."""
    above = {root: frozenset([os.path.realpath(root)])}  # the folders on the way to each, as they really are
    for folder, inner, names in os.walk(root, followlinks=True):
        here = above.pop(Path(folder))
        yield from ((Path(folder) / name).relative_to(root).as_posix() for name in names)
        for name in inner:
            path = Path(folder) / name
            real = os.path.realpath(path)
            if real in here:
                raise DataError(f"'{path}' is a link that leads back to '{real}', which it is in; remove the link")
            above[path] = here | {real}


def is_hidden(path: str) -> bool:
    """Whether a relative path is what systems leave beside pictures: `.DS_Store`, `._a.png`, `__MACOSX/…`."""
    return any(part == "__MACOSX" or (part.startswith(".") and part != ".") for part in path.split("/"))


def _unreadable(root: Path, error: Exception) -> DataError:
    return DataError(f"cannot read '{root}': {getattr(error, 'strerror', None) or error}; fetch it anew")


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that `Pictures` reads."""
    return path.name.lower().endswith(ARCHIVES)


def decode_picture(content: bytes, path: Path, size: int, channels: int) -> Tensor:
    """A picture file's bytes as `[channels, size, size]` uint8, turned as its EXIF data say; see `to_square`.

    Raises:
        DataError: it cannot be read, or claims to be larger than 2**26 pixels; names `path`.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise ValueError(f"it claims to be {opened.width} x {opened.height}")
            picture = _eight_bits(ImageOps.exif_transpose(opened)).convert("RGB")
    except UnidentifiedImageError:  # whose own words name an object in memory
        raise DataError(f"cannot read the picture '{path}': its bytes are no picture's; mend or remove it") from None
    except Exception as error:  # Pillow's readers raise whatever the broken bytes lead to
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"cannot read the picture '{path}': {reason}; mend or remove it") from None
    return to_square(picture, size, channels)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """A grey picture of 16 bits in 8, which Pillow's `convert` would cut off at 255; others as they are."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture)
    if picture.mode == "F" or values.min() < 0 or values.max() >= 2**16:
        raise ValueError(f"its values, from {values.min():g} to {values.max():g}, are not of 8 or 16 bits")
    return Image.fromarray(((values.astype(np.uint32) * 255 + 2**15) // (2**16 - 1)).astype(np.uint8))


def to_square(picture: Image.Image, size: int, channels: int) -> Tensor:
    """Shorter side to `size`, antialiased, and the middle cropped; `[channels, size, size]` uint8."""
    fitted = picture.convert("L" if channels == 1 else "RGB")
    if fitted.size != (size, size):
        fitted = ImageOps.fit(fitted, (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(fitted)).view(size, size, channels).permute(2, 0, 1)
