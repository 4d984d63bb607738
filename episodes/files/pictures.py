"""Pictures in a folder tree or an archive: listed, checked, decoded in parallel."""

from __future__ import annotations

import io
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from episodes.banks.images import check_memory
from episodes.banks.pixels import flat
from episodes.errors import DataError
from episodes.files.archives import Listing, only_archive, open_container, unreadable

STILL = (  # endings of formats of single pictures, of which those count that this Pillow reads
    "jpg jpeg jpe jfif png apng gif webp avif avifs heic heif bmp dib ppm pgm pbm pnm tif tiff tga icb vda vst "
    "jp2 j2k j2c jpc jpf jpx pcx psd sgi rgb rgba bw ras qoi dds xbm xpm ico icns im msp"
)
UNREAD = "heic heif avif avifs jxl svg svgz raw cr2 cr3 crw nef arw dng orf rw2 raf pef srw exr hdr eps ai wdp jxr bpg"
MOST_PIXELS = 2**26  # of one picture; one that claims more is broken, or made to exhaust memory
MOST_BYTES = 2**30  # of one picture's file, more than so many pixels take
DRAFTED = 2**22  # pixels from which a JPEG is decoded at an eighth to a half, never below 4 times the size asked for
NAMED = 10  # broken pictures that a message names
MOST_WORKERS = 8  # each has one decoded picture in memory


class Pictures:
    """The picture files below a folder, or in a .zip or .tar (see `episodes.files.archives`).

    Attributes:
        root: the folder or archive; of a folder that holds one archive and no folder, that archive.

    Raises:
        DataError: from whatever is asked of it: something is missing or cannot be read, or a member of the archive
            leads out of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = only_archive(root)
        self.copies: list[tuple[str, str]] = []  # pictures of `decode` with the bytes of an earlier one, and that one

    @cached_property
    def listing(self) -> Listing:
        try:
            return open_container(self.root).listing()
        except DataError:
            raise
        except Exception as error:  # readers of archives raise whatever broken bytes lead to
            raise unreadable(self.root, error) from None

    @cached_property
    def paths(self) -> list[str]:
        """Of the pictures, relative to the root, sorted; not of hidden ones."""
        listing = self.listing
        paths = sorted(path for path in listing.sizes if is_picture(path))
        for path in filter(is_picture, listing.special):
            raise DataError(f"'{self.root / path}' is a named pipe, a socket or a device, not a picture; remove it")
        for path in filter(is_picture, listing.twice):
            raise DataError(f"'{self.root}' has the member '{path}' twice; pack it anew with one of them")
        for path in paths:
            if listing.sizes[path] > MOST_BYTES:
                raise DataError(
                    f"the picture '{self.root / path}' has {listing.sizes[path]:,} bytes, more than any that is read "
                    f"({MOST_BYTES:,}); repair or remove it"
                )
        return paths

    @cached_property
    def left_out(self) -> Counter[str]:
        """How many files of each ending are not pictures; DataError for pictures of a format that is not read here."""
        others = [path for path in (*self.listing.sizes, *self.listing.special) if not is_picture(path)]
        unread = [path for path in others if _ending(path) in _unread()]
        if unread:
            kinds = _counts(Counter(map(_ending, unread)))
            folders = sorted({str(PurePosixPath(path).parent) for path in unread})
            more = f" and {len(folders) - 3} more folders" if len(folders) > 3 else ""
            raise DataError(
                f"'{self.root}' has {len(unread)} pictures of formats that cannot be read here ({kinds}), in "
                f"{', '.join(folders[:3])}{more}; convert them to PNG or JPEG, or remove them"
            )
        return Counter(_ending(path) or "no ending" for path in others)

    def files(self, paths: Sequence[str] | None = None) -> list[Path]:
        """The files that what is read depends on: each picture, or those of `paths`; or the archive that has them."""
        root = self.root.resolve()
        return [root / path for path in (self.paths if paths is None else paths)] if root.is_dir() else [root]

    def decode(self, paths: Sequence[str], size: int, channels: int) -> Tensor:
        """`[len(paths), channels, size, size]` uint8, see `decode_picture`; in parallel.

        Beside the result it takes the memory of a few pictures, not of all files. Afterwards `copies` is known.

        Raises:
            DataError: pictures that cannot be read; names them. Or more images than memory takes.
        """
        check_memory(str(self.root), (len(paths), channels, size, size))
        images = torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
        places: dict[str, list[int]] = {}
        for number, path in enumerate(paths):
            places.setdefault(self.listing.read_as.get(path, path), []).append(number)
        digests: dict[int, bytes] = {}
        broken: dict[int, str] = {}

        def decode(path: str, content: bytes | OSError) -> None:
            try:
                if isinstance(content, OSError):
                    raise UnreadableError(content.strerror or str(content))
                image = _decode(content, size, channels)
            except UnreadableError as error:
                broken[places[path][0]] = str(error)
                return
            digest = blake2b(content, digest_size=16).digest()
            for number in places[path]:
                images[number], digests[number] = image, digest

        _in_parallel(decode, self._contents(places))
        if broken:
            raise self._broken([(paths[number], broken[number]) for number in sorted(broken)])
        self.copies = _copies(paths, digests)
        return images

    def _contents(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes | OSError]]:
        try:
            yield from open_container(self.root).contents(wanted)
        except DataError:
            raise
        except Exception as error:
            raise unreadable(self.root, error) from None

    def _broken(self, broken: list[tuple[str, str]]) -> DataError:
        if len(broken) == 1:
            path, reason = broken[0]
            return DataError(f"cannot read the picture '{self.root / path}': {reason}; repair or remove it")
        named = "; ".join(f"'{path}': {reason}" for path, reason in broken[:NAMED])
        more = f"; and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        return DataError(f"cannot read {len(broken)} pictures of '{self.root}': {named}{more}; repair or remove them")


def is_picture(path: str) -> bool:
    """Whether the name's ending is that of a format that is read."""
    return _ending(path) in _read()


def describe_left_out(left_out: Counter[str]) -> str:
    """`3 files that are not pictures (.txt 2, .json 1)`."""
    return f"{left_out.total()} files that are not pictures ({_counts(left_out)})"


@cache
def _read() -> frozenset[str]:
    Image.init()
    known = {ending for ending, name in Image.registered_extensions().items() if name in Image.OPEN}
    return frozenset(f".{each}" for each in STILL.split()) & known


@cache
def _unread() -> frozenset[str]:
    return frozenset(f".{each}" for each in f"{STILL} {UNREAD}".split()) - _read()


def _ending(path: str) -> str:
    return PurePosixPath(path).suffix.lower()


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{ending} {count}" for ending, count in sorted(counts.items(), key=lambda item: (-item[1], item)))


def _in_parallel(work: Callable[[str, bytes | OSError], None], contents: Iterable[tuple[str, bytes | OSError]]) -> None:
    """Call `work` for each, never with the bytes of more files in memory than twice as many as there are workers."""
    workers = min(MOST_WORKERS, os.cpu_count() or 1)
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for path, content in contents:
            pending.append(pool.submit(work, path, content))
            if len(pending) >= 2 * workers:
                pending.popleft().result()
        for future in pending:
            future.result()


def _copies(paths: Sequence[str], digests: dict[int, bytes]) -> list[tuple[str, str]]:
    first: dict[bytes, str] = {}
    copies = []
    for number, path in enumerate(paths):
        earlier = first.setdefault(digests[number], path)
        if earlier != path:
            copies.append((path, earlier))
    return copies


class UnreadableError(Exception):
    """Why a picture's bytes cannot be read."""


def decode_picture(content: bytes, path: Path, size: int, channels: int) -> Tensor:
    """A picture file's bytes as `[channels, size, size]` uint8: its first frame, see `flat` and `to_square`.

    It is turned as its EXIF data say.

    Raises:
        DataError: it cannot be read, or claims to be larger than 2**26 pixels; names `path`.
    """
    try:
        return _decode(content, size, channels)
    except UnreadableError as error:
        raise DataError(f"cannot read the picture '{path}': {error}; repair or remove it") from None


def _decode(content: bytes, size: int, channels: int) -> Tensor:
    if not content:
        raise UnreadableError("it is empty")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise UnreadableError(f"it claims to be {opened.width} x {opened.height}")
            if opened.width * opened.height >= DRAFTED:
                opened.draft(None, (4 * size, 4 * size))
            picture = flat(ImageOps.exif_transpose(opened)).convert("RGB")
    except UnreadableError:
        raise
    except UnidentifiedImageError:  # whose own message names an object in memory
        raise UnreadableError("its content is not a picture") from None
    except Exception as error:  # Pillow's readers raise whatever the broken bytes lead to
        raise UnreadableError(str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    return to_square(picture, size, channels)


def to_square(picture: Image.Image, size: int, channels: int) -> Tensor:
    """Shorter side to `size`, antialiased, and the middle cropped; `[channels, size, size]` uint8."""
    fitted = picture.convert("L" if channels == 1 else "RGB")
    if fitted.size != (size, size):
        fitted = ImageOps.fit(fitted, (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(fitted)).view(size, size, channels).permute(2, 0, 1)
