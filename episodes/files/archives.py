"""What lies in a folder, a .zip or a .tar: listed alike, links followed within it, and read file by file."""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from episodes.errors import DataError

ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
MOST_LINKS = 40  # on the way to one file, as Linux allows
BLOCK = 512  # bytes of a tar's blocks; two of zeros end it
METHODS = {1: "Shrink", 6: "Implode", 9: "Deflate64", 93: "Zstandard", 95: "XZ", 98: "PPMd", 99: "AES encryption"}


@dataclass(frozen=True)
class Listing:
    """What lies in a folder or archive, by paths relative to it.

    Attributes:
        sizes: the bytes of each file, by the path under which it is shown; links to files and folders among them.
        read_as: where a file that is reached by links really lies; for files that are not in it, at their own path.
        folders: those that are there, empty ones too.
        special: named pipes, sockets and devices.
        twice: files that an archive has more than once.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    read_as: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    special: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


class Container(Protocol):
    """A folder or an archive."""

    def listing(self) -> Listing:
        """Everything in it that is not hidden (see `is_hidden`)."""

    def contents(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        """Real paths and bytes in the order in which they are read fastest, or why one file cannot be read."""


def is_archive(path: Path) -> bool:
    """Whether the name is that of an archive that `open_container` reads."""
    return path.name.lower().endswith(ARCHIVES)


def only_archive(root: Path) -> Path:
    """The archive in a folder that holds one and no folder, as some downloads come; else what was given."""
    try:
        below = [each for each in root.iterdir() if not is_hidden(each.name)] if root.is_dir() else []
        archives = [each for each in below if is_archive(each)]
        return archives[0] if len(archives) == 1 and not any(each.is_dir() for each in below) else root
    except OSError:
        return root  # whoever reads it says what is wrong


def is_hidden(path: str) -> bool:
    """Whether a relative path is what systems leave beside pictures: `.DS_Store`, `._a.png`, `__MACOSX/…`."""
    return any(part == "__MACOSX" or (part.startswith(".") and part not in (".", "..")) for part in path.split("/"))


def open_container(root: Path) -> Container:
    """By what it is: a folder; what the ending of its name says, zip or tar; or the other, if it is that instead.

    In this order, since a tar with a zip among its last members passes for a zip.
    """
    if root.is_dir():
        return _Folder(root)
    if root.suffix.lower() == ".zip":
        return _Tar(root) if not zipfile.is_zipfile(root) and tarfile.is_tarfile(root) else _Zip(root)
    return _Zip(root) if not tarfile.is_tarfile(root) and zipfile.is_zipfile(root) else _Tar(root)


def user_path(name: str) -> Path:
    """The path that a user gave; `~` and `~user` are the home folder, where there is such a user."""
    with suppress(RuntimeError):  # no such user: the message on what is not there then has the name as it was given
        return Path(name).expanduser()
    return Path(name)


def unreadable(root: Path, error: Exception) -> DataError:
    """What is raised where a container as a whole cannot be read."""
    reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
    return DataError(f"cannot read '{root}': {reason}; download it again")


class _Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def listing(self) -> Listing:
        """Links are followed, and one that leads back is refused."""
        listing, root = Listing(), self.root
        above = {str(root): frozenset([os.path.realpath(root)])}  # the folders on the way to each, as they really are
        for folder, inner, names in os.walk(root, onerror=_refuse, followlinks=True):
            here = above.pop(str(Path(folder)))  # os.walk says `./c` below `.`
            for name in names:
                path = Path(folder, name)
                shown = path.relative_to(root).as_posix()
                if not is_hidden(shown):
                    self._add(listing, path, shown)
            inner[:] = [name for name in inner if not is_hidden(name)]
            for name in inner:
                path = Path(folder, name)
                real = os.path.realpath(path)
                if real in here:
                    raise DataError(f"'{path}' is a link that leads back to '{real}', which it is in; remove the link")
                above[str(path)] = here | {real}
                listing.folders.add(path.relative_to(root).as_posix())
        return listing

    def _add(self, listing: Listing, path: Path, shown: str) -> None:
        try:
            found = path.stat()
        except OSError:
            if not path.suffix:  # it may have been a class
                raise DataError(f"'{path}' is a link to nothing; restore what it leads to, or remove it") from None
            listing.sizes[shown] = 0  # named when it is to be read
            return
        if stat.S_ISREG(found.st_mode):
            listing.sizes[shown] = found.st_size
        else:
            listing.special.append(shown)

    def contents(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        for path in wanted:
            try:
                yield path, (self.root / path).read_bytes()
            except OSError as error:
                yield path, error


class _Zip:
    def __init__(self, root: Path) -> None:
        self.root = root

    def listing(self) -> Listing:
        with zipfile.ZipFile(self.root) as archive:
            infos = [(_zip_name(info), info) for info in archive.infolist()]
            infos = [(name, info) for name, info in infos if not is_hidden(name)]
            folders = {_inside(self.root, name) for name, info in infos if info.is_dir() or name.endswith("/")}
            files = [
                (_inside(self.root, name), info) for name, info in infos if not (info.is_dir() or name.endswith("/"))
            ]
            linked = [
                each for each in files if each[1].create_system == 3 and stat.S_ISLNK(each[1].external_attr >> 16)
            ]
            for name, info in linked:
                self._refuse_locked(name, info)
            links = {name: (_parent(name), os.fsdecode(archive.read(info))) for name, info in linked}
        sizes = {name: info.file_size for name, info in files if name not in links}
        return _followed(self.root, [name for name, _ in files], sizes, folders, links, [])

    def contents(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        with zipfile.ZipFile(self.root) as archive:
            infos = {_inside(self.root, _zip_name(info)): info for info in archive.infolist()}
            paths = list(wanted)
            for path in paths:
                self._refuse_locked(path, infos[path])
            for path in paths:
                try:
                    yield path, archive.read(infos[path])
                except Exception as error:  # whatever broken bytes lead its four decompressors to
                    yield path, OSError(f"its bytes in the archive are damaged ({str(error) or type(error).__name__})")

    def _refuse_locked(self, path: str, info: zipfile.ZipInfo) -> None:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
            method = METHODS.get(info.compress_type, "a method of its own")
            raise DataError(
                f"'{self.root}' has '{path}' packed by {method} (number {info.compress_type}), which cannot be read "
                "here; unpack it and name the folder, or pack it anew by Deflate, what most programs call normal"
            )
        if info.flag_bits & 1:
            raise DataError(
                f"'{self.root}' is locked with a password ('{path}' is, for one); unpack it and name the folder"
            )


class _Tar:
    def __init__(self, root: Path) -> None:
        self.root = root

    def listing(self) -> Listing:
        names, special = [], []
        sizes: dict[str, int] = {}
        folders: set[str] = set()
        links: dict[str, tuple[str, str]] = {}
        with tarfile.open(self.root) as archive:
            for entry in archive:
                if is_hidden(entry.name):
                    continue
                name = _inside(self.root, entry.name)
                if entry.isdir():
                    folders.add(name)
                    continue
                names.append(name)
                if entry.isfile():
                    sizes[name] = entry.size
                elif entry.islnk():
                    links[name] = ("", entry.linkname)
                elif entry.issym():
                    links[name] = (_parent(name), entry.linkname)
                else:
                    special.append(name)
            self._refuse_cut(archive)
        return _followed(self.root, names, sizes, folders, links, special)

    def _refuse_cut(self, archive: tarfile.TarFile) -> None:
        """Raise DataError unless the archive ends as every tar does: tarfile takes a damaged header for the end."""
        file = archive.fileobj
        assert file is not None
        file.seek(archive.offset)
        end = file.read(BLOCK)
        if len(end) < BLOCK or end.strip(b"\0"):
            raise DataError(f"'{self.root}' is cut short or damaged: it does not end as tars do; download it again")
        while more := file.read(2**20):
            if more.strip(b"\0"):
                raise DataError(
                    f"'{self.root}' goes on after its end, as tars do that were joined; unpack it (tar "
                    "--ignore-zeros) and name the folder"
                )

    def contents(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes | OSError]]:
        left = set(wanted)
        with tarfile.open(self.root) as archive:
            for entry in archive:
                name = _normal(entry.name)
                if name in left and (file := archive.extractfile(entry) if entry.isfile() else None):
                    yield name, file.read()


def _zip_name(info: zipfile.ZipInfo) -> str:
    """With slashes, as the format wants, where a program wrote backslashes; as UTF-8 where it did not say so."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():  # Apple's archiver writes UTF-8 without that flag
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _normal(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _inside(root: Path, name: str) -> str:
    """The member's path without `.` and doubled slashes; raises DataError where it leads out of the archive."""
    if name.startswith("/") or ".." in name.split("/"):
        raise DataError(f"'{root}' has a member '{name}' that leads out of it; fetch it from a source you trust")
    return _normal(name)


def _refuse(error: OSError) -> None:
    raise error


def _followed(
    root: Path,
    names: list[str],
    sizes: dict[str, int],
    folders: set[str],
    links: Mapping[str, tuple[str, str]],
    special: list[str],
) -> Listing:
    """The listing of an archive in which links are followed.

    Args:
        root: the archive.
        names: of everything but folders, as often as it is there.
        sizes: of the files.
        folders: that have entries of their own; those around anything are added.
        links: from where each is to the folder that it is relative to, and what it says.
        special: what is neither.
    """
    folders.discard("")  # the root itself
    twice = sorted(name for name, times in Counter(names).items() if times > 1)
    if not links:
        for path in (*sizes, *special):
            while path := _parent(path):
                folders.add(path)
        return Listing(sizes, {}, folders, special, twice)
    inside: dict[str, set[str]] = {}
    for path in (*sizes, *folders, *links):
        while path:
            inside.setdefault(_parent(path), set()).add(path)
            path = _parent(path)
    listing = Listing({}, {}, set(), special, twice)
    pending = [("", "", frozenset([""]))]  # a folder as shown, as it is, and those on the way to it
    while pending:
        shown_folder, folder, above = pending.pop()
        for path in inside.get(folder, ()):
            shown = f"{shown_folder}/{path.rpartition('/')[2]}".lstrip("/")
            real = _real(root, path, links)
            if real in sizes:
                listing.sizes[shown] = sizes[real]
                if real != shown:
                    listing.read_as[shown] = real
            elif real in inside or real in folders:
                if real in above:
                    raise _bad_link(root, path, links, f"leads back to '{real}', which it is in")
                listing.folders.add(shown)
                pending.append((shown, real, above | {real}))
            elif path in links:
                raise _bad_link(root, path, links, "is not in it")
    return listing


def _real(root: Path, path: str, links: Mapping[str, tuple[str, str]]) -> str:
    """Where a path of an archive leads when every link on the way is followed."""
    done, left, followed = "", path.split("/")[::-1], 0
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            if not done:
                raise _bad_link(root, path, links, "leads out of it")
            done = _parent(done)
            continue
        done = f"{done}/{part}".lstrip("/")
        if done in links:
            followed += 1
            done, target = links[done]
            if target.startswith("/") or followed > MOST_LINKS:
                raise _bad_link(root, path, links, "leads out of it" if target.startswith("/") else "leads in a circle")
            left += target.split("/")[::-1]
    return done


def _bad_link(root: Path, path: str, links: Mapping[str, tuple[str, str]], why: str) -> DataError:
    target = f" to '{links[path][1]}'" if path in links else ""
    return DataError(
        f"'{root}' has a link '{path}'{target}, which {why}; pack it anew with the files that links lead to "
        "(tar --dereference)"
    )
