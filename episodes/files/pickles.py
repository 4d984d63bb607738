"""Pickle files from strangers, read without running what is in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from episodes.errors import DataError

# What arrays, and containers of them, are made of; nothing here does more than hold data.
HARMLESS = {
    *(("numpy", name) for name in ("ndarray", "dtype")),
    *(
        (module, name)
        for module in ("numpy.core.multiarray", "numpy._core.multiarray")
        for name in ("_reconstruct", "scalar")
    ),
    ("numpy.core.numeric", "_frombuffer"),
    ("numpy._core.numeric", "_frombuffer"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    *((module, name) for module in ("builtins", "__builtin__") for name in ("set", "frozenset", "bytearray")),
}


class _HarmlessUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in HARMLESS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which may run code")
        return super().find_class(module, name)


def read_pickle(path: Path) -> Any:
    """What a pickle file of arrays and plain containers holds; strings of Python 2 become text.

    Raises:
        DataError: it cannot be read, or asks for anything else.
    """
    try:
        with path.open("rb") as file:
            return _HarmlessUnpickler(file, encoding="latin1").load()
    except Exception as error:  # a broken pickle raises whatever its bytes lead to
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"cannot read '{path}': {reason}; fetch it from a source you trust") from None
