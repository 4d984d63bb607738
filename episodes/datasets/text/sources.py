"""Where the files of published datasets of texts lie: packed by gzip or not, in one of a few folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from episodes.dataset import DataOptions
from episodes.errors import DataError


def file_in(folder: Path, file: str) -> Path | None:
    """The file of that name in a folder, or the one with `.gz` after it; None where there is neither."""
    return next((path for path in (folder / file, folder / f"{file}.gz") if path.is_file()), None)


def needed_file(folder: Path, file: str) -> Path:
    """The same; raises DataError where there is neither."""
    if found := file_in(folder, file):
        return found
    raise DataError(f"'{folder}' has no {file}, nor {file}.gz; put it there")


def places(options: DataOptions, folder: str) -> list[Path]:
    """Where a dataset's folder may be: in the data root, in `text` of it, or that itself."""
    root = options.folder
    return [root / folder, root / "text" / folder, root]


def find_folder(
    name: str, options: DataOptions, folder: str, files: Sequence[str], source: str, complete: str = ""
) -> Path:
    """The folder that has all of a dataset's files.

    Nothing is downloaded: the sources give no digest by which a file could be checked.

    Args:
        name: the dataset's.
        options: with the data root.
        folder: what the dataset's own folder is called.
        files: in it, each as it is or with `.gz` after its name.
        source: where users get them.
        complete: what to call them in the message, where there are more than must be there.

    Raises:
        DataError: no place has them all.
    """
    for place in places(options, folder):
        if all(file_in(place, file) for file in files):
            return place
    wanted = complete or ", ".join(files)
    raise DataError(
        f"{name} needs {wanted} of {source} in '{options.folder / folder}'; put them there (packed as .gz "
        "or not), or name the folder above by --data-root"
    )
