"""What JSON that people write may have wrong, in words."""

from __future__ import annotations

import json
from typing import Any

from episodes.errors import DataError


def json_fault(error: ValueError | RecursionError) -> str:
    """Why a text is no JSON."""
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return str(error)
    return "it has a number of thousands of digits"  # the one ValueError besides, which names a setting of Python's


def json_kind(value: Any) -> str:
    """What JSON calls a value, with an article where it has one."""
    names = {type(None): "null", bool: "true or false", int: "a number", float: "a number", str: "a string"}
    return names.get(type(value), "a list" if isinstance(value, list) else "an object")


def keys_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's keys and values, as `object_pairs_hook` of `json.loads`, which else takes the last of two alike.

    Raises:
        DataError: a key is there twice.
    """
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise DataError(f"has the key '{next(name for name in names if names.count(name) > 1)}' twice; leave it once")
    return content
