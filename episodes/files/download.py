"""Fetching a dataset's files, or saying in one line what is missing."""

from __future__ import annotations

from collections.abc import Callable

from episodes.errors import DataError


def fetch(needs: str, *, allowed: bool, download: Callable[[], object]) -> None:
    """Call `download` to get files that are not there.

    Args:
        needs: what is missing and where it belongs, `omniglot needs images_background.zip in '/data'`.
        allowed: whether to try; False for a caller who wants no connection to be opened.
        download: raises OSError or RuntimeError if it fails, as torchvision's functions do.

    Raises:
        DataError: it is not allowed, or fails; says what to put where.
    """
    if not allowed:
        raise DataError(f"{needs}; put them there, or let them be downloaded")
    try:
        download()
    except (OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{needs}, and the download failed ({reason}); put them there, or name their folder by --data-root"
        ) from None
