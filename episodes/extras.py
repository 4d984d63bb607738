"""Packages that only some users need: imported when used, and named with their extra where they are missing."""

from __future__ import annotations

import importlib
from typing import Any

from episodes.errors import DataError


def need(module: str, extra: str, what: str) -> Any:
    """The module of that name.

    Args:
        module: e.g. `tokenizers`, or a module in a package.
        extra: of metabench that installs it.
        what: needs it, for the message: `dataset 'banking77'`.

    Raises:
        DataError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        reason = "" if isinstance(error, ModuleNotFoundError) and error.name == package else f" ({error})"
        raise DataError(f'{what} needs the package {package}{reason}; pip install "metabench[{extra}]"') from None
