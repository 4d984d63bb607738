"""Datasets by name: each source is one module with `load(name, options)` that gives a Dataset."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from episodes.combine import mix
from episodes.dataset import DataOptions, Dataset, with_data_root
from episodes.errors import DataError, nearest
from episodes.names import SOURCES, parts

MOST_SIZE = 1024  # pixels; a 5-way 1-shot task of float32 colour images is then 1 GB


def load(name: str, options: DataOptions | None = None) -> Dataset[Any]:
    """The dataset of that name (see `SOURCES`), or several mixed: `omniglot+glyphs` (see `episodes.combine.mix`).

    Raises:
        DataError: unknown name, missing or unreadable files, or an option that this dataset does not have.
    """
    options = with_data_root(options or DataOptions())
    if options.channels not in (None, 1, 3):
        raise DataError(f"--channels {options.channels} is not possible; give 1 (grey) or 3 (colour)")
    if options.image_size is not None and options.image_size < 16:
        raise DataError(f"--image-size {options.image_size} is too small; give at least 16")
    if options.image_size is not None and options.image_size > MOST_SIZE:
        raise DataError(
            f"--image-size {options.image_size} is too large; give at most {MOST_SIZE}, at which a task of 80 colour "
            "images takes a gigabyte"
        )
    names = parts(name)
    if len(names) > 1:
        if twice := [each for each in names if names.count(each) > 1]:
            raise DataError(f"--dataset {name} has '{twice[0]}' twice; name each dataset once")
        if options.split is not None:
            raise DataError(f"--split {options.split} does not fit several datasets; leave it out, or name one dataset")
        return mix([load(each, options) for each in names])
    module, rest = _module(name)
    dataset: Dataset[Any] = module.load(rest, options)
    return dataset


def find(name: str, options: DataOptions) -> Path | None:
    """Where the files of the dataset of that name are, downloaded first if they are nowhere and that is allowed.

    None for a dataset that needs no file.

    Raises:
        DataError: unknown name, or missing files.
    """
    if len(names := parts(name)) > 1:
        raise DataError(f"'{name}' is {len(names)} datasets; name one at a time: {', then '.join(names)}")
    module, rest = _module(name)
    found: Path | None = module.find(rest, with_data_root(options)) if hasattr(module, "find") else None
    return found


def about(name: str) -> str:
    """What the dataset is, with its source, licence and files: its module's documentation."""
    return inspect.getdoc(_module(name, any_rest=True)[0]) or ""


def _module(name: str, *, any_rest: bool = False) -> tuple[ModuleType, str]:
    """The module of a dataset, and what it is to be called with: what follows the colon, or the name."""
    source, _, rest = name.partition(":")
    takes_rest = source in ("folder", "torchvision")
    if source not in {each.split(":")[0] for each in SOURCES} or (bool(rest) != takes_rest and not any_rest):
        raise DataError(f"there is no dataset '{name}'{nearest(name, SOURCES)}; `metabench list datasets` shows all")
    modules = {"cifar-fs": "cifar100", "fc100": "cifar100", "torchvision": "torchvision_sets"}
    file = modules.get(source, source.replace("-", "_"))
    return importlib.import_module(f"episodes.datasets.{file}"), rest if takes_rest else name
