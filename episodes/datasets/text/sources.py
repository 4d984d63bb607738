"""Where files of texts lie: a user's own, and those of published datasets, as they are or packed by gzip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from episodes.dataset import DataOptions
from episodes.errors import DataError
from episodes.files.remembered import user_place


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


def own_file(prefix: str, name: str, options: DataOptions, what: str, of_folder: str = "") -> Path:
    """A user's file: `name`, which is looked for in `data_root` first if it is not a full path.

    Args:
        prefix: of the dataset's name.
        name: behind it.
        options: with the data root.
        what: the file must be, for messages.
        of_folder: what to do with a folder, for the message; by default nothing can be.

    Raises:
        DataError: it is not there or is no file, or has a name that no record could hold.
    """
    path = user_place(name, options.data_root, "file")
    needs = f"--dataset {prefix}FILE needs {what}, as it is or as .gz"
    try:
        if path.is_file():
            return path
        there = path.exists()
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read '{path}': {getattr(error, 'strerror', None) or error}; {needs}") from None
    if path.is_dir():
        raise DataError(
            f"'{path}' is a folder; {needs}, {of_folder}" if of_folder else f"'{path}' is not a file; {needs}"
        )
    if there:
        raise DataError(f"'{path}' is not a regular file; {needs}")
    if options.data_root:
        raise DataError(f"there is no file '{path}', neither here nor in --data-root '{options.data_root}'; {needs}")
    raise DataError(f"there is no file '{path}'; {needs}; for one elsewhere, --data-root names the folder it is in")
