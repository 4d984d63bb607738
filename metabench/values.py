"""What is wrong with a value that was given for a setting, in one line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from episodes.errors import readable
from metabench.errors import UsageError
from metabench.escape import plain


def first_problem(error: ValidationError, prefix: str, sections: Collection[str] = ()) -> str:
    """What is wrong with the first invalid value, in one line; prefix is what names begin with.

    The name is the first part of its place that is not a section, or the last.
    """
    problem = error.errors()[0]
    name = str(next((part for part in problem["loc"] if part not in sections or part == problem["loc"][-1]), ""))
    wanted = WANTED.get(problem["type"])
    message = wanted.format(**problem.get("ctx", {})) if wanted else problem["msg"][0].lower() + problem["msg"][1:]
    name = name if prefix.endswith(" ") else name.replace("_", "-")
    return f"{prefix}{name}: {message}; found {plain(repr(problem['input']), 100)}"


WANTED = {  # by pydantic's names of what is wrong
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float", "int_parsing_size"), "give a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "give a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "give true or false"),
    "finite_number": "give a finite number",
    "greater_than": "give more than {gt}",
    "greater_than_equal": "give at least {ge}",
    "less_than": "give less than {lt}",
    "less_than_equal": "give at most {le}",
    "literal_error": "give {expected}",
    "string_type": "give text",
    "path_type": "give a path",
    "tuple_type": "give class names, such as cat,sheep,boar",
    "dict_type": "give names with values",
    "value_error": "{error}",
}


def check_given(values: Mapping[str, Any], types: Mapping[str, Any], prefix: str) -> None:
    """Raise UsageError for what types let pass: True as a number, and text that no file or record can hold."""
    for name, value in values.items():
        option = f"{prefix}{name if prefix.endswith(' ') else name.replace('_', '-')}"
        if isinstance(value, bool) and name in types and bool not in (types[name], *get_args(types[name])):
            raise UsageError(f"{option}: it is not a matter of true or false; found {value}")
        if isinstance(value, str | Path):
            # A path may have bytes that are not UTF-8, which Python keeps as these surrogates.
            bytes_of_paths = range(0xDC80, 0xDD00) if isinstance(value, Path) else range(0)
            bad = [each for each in map(ord, str(value)) if each == 0 or (0xD800 <= each < 0xE000)]
            if any(each not in bytes_of_paths for each in bad):
                shown = readable(str(value))[:100]
                raise UsageError(f"{option}: {shown!r} has bytes that are not UTF-8, or a NUL; name it otherwise")
