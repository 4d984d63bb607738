"""Datasets by name, through the entry-point group `episodes.datasets`.

A dataset is a module, or any object, with `load(name, options) -> Dataset`. If it has files of its own, it also has
`find(name, options) -> Path`. If `TAKES` is set, e.g. to `PATH`, users write `name:PATH`, and `name` is what follows
the colon. `VARIANTS` are what may follow a colon of a name that goes without: `load` gets the whole name then.
`ACROSS` has what support and queries may differ in (`DataOptions.across`). `KIND` is what it has, `images` where it is
not said. `DRAWS` are splits for `--task all-way` alone, whose training items are one published draw of labelled items.
`load_all(name, options)`, if it has that, gives two banks of all its classes, the items for training and
those for test (see `all_way`); where items are words, `load_spans(name, options)` gives a dataset of them (see
`text.spans`).
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from episodes.banks.bank import TEXTS, Kind
from episodes.dataset import DataOptions, Dataset, with_data_root
from episodes.datasets.combine import mix
from episodes.errors import DataError, nearest
from episodes.extras import need
from episodes.names import GROUP, parts
from episodes.plugins import load_plugin, plugin_faults, plugin_names

MOST_SIZE = 1024  # pixels; a 5-way 1-shot task of float32 colour images is then 1 GB
TOKENS = (8, 512)  # of a text, the fewest and the most: BERT has places for 512


_kept: ContextVar[dict[tuple[str, DataOptions], Dataset[Any]] | None] = ContextVar("_kept", default=None)


@contextmanager
def loading_once() -> Iterator[None]:
    """Within it `load` reads each dataset once, and gives the same one again: for many runs that are looked up."""
    kept = _kept.get()
    token = _kept.set({} if kept is None else kept)
    try:
        yield
    finally:
        _kept.reset(token)


def load(name: str, options: DataOptions | None = None) -> Dataset[Any]:
    """The dataset of that name (see `dataset_names`), or several mixed: `omniglot+glyphs` (see `combine.mix`).

    Raises:
        DataError: unknown name, missing or unreadable files, or an option that this dataset does not have.
    """
    options, names = _checked(options), parts(name)
    if len(names) > 1:
        if twice := [each for each in names if names.count(each) > 1]:
            raise DataError(f"--dataset {name} has '{twice[0]}' twice; name each dataset once")
        if options.split is not None:
            raise DataError(f"--split {options.split} does not fit several datasets; leave it out, or name one dataset")
        return mix([load(each, options) for each in names])
    kept = _kept.get()
    if kept is not None and (name, options) in kept:
        return kept[name, options]
    module, rest, options = prepared(name, options)
    dataset = loaded(name, module, rest, options)
    if kept is not None:
        kept[name, options] = dataset
    return dataset


def loaded(name: str, module: Any, rest: str, options: DataOptions) -> Dataset[Any]:
    """What a dataset's module gives for `rest`; raises DataError where it is invalid, or another package's fails."""
    with plugin_faults(f"dataset '{name}'", module):
        dataset = module.load(rest, options)
    if not isinstance(dataset, Dataset):
        raise DataError(f"dataset '{name}' is invalid: its load gives {type(dataset).__name__}, not episodes.Dataset")
    return dataset


def prepared(name: str, options: DataOptions | None) -> tuple[Any, str, DataOptions]:
    """The module of one dataset, what its `load` is to be called with, and the options.

    Raises:
        DataError: unknown name, an option that is out of its range or is not one of its kind, or a missing package.
    """
    options = _checked(options)
    module, rest = _module(name)
    kind = getattr(module, "KIND", "images")
    if kind in TEXTS:
        for setting in ("image_size", "channels"):
            if getattr(options, setting) is not None:
                option = f"--{setting.replace('_', '-')}"
                raise DataError(f"{option} does not go with --dataset {name}, whose items are texts; leave it out")
        need("tokenizers", "text", f"dataset '{name}'")
    elif options.max_tokens is not None:
        raise DataError(f"--max-tokens does not go with --dataset {name}, whose items are {kind}; leave it out")
    known = getattr(module, "ACROSS", ())
    if options.across is not None and options.across not in known:
        advice = f"give {', '.join(known)}" if known else "leave it out"
        raise DataError(f"--across {options.across} does not go with --dataset {name}; {advice}")
    return module, rest, options


def find(name: str, options: DataOptions) -> Path | None:
    """Where the files of the dataset of that name are, downloaded first if they are nowhere and that is allowed.

    None for a dataset that needs no file.

    Raises:
        DataError: unknown name, or missing files.
    """
    if len(names := parts(name)) > 1:
        raise DataError(f"'{name}' is {len(names)} datasets; name one at a time: {', then '.join(names)}")
    module, rest = _module(name)
    with plugin_faults(f"dataset '{name}'", module):
        found: Path | None = module.find(rest, with_data_root(options)) if hasattr(module, "find") else None
    return found


def kind_of(name: str) -> Kind:
    """What the dataset of that name has, without loading it: its module's `KIND`, `images` where it has none.

    Raises:
        DataError: unknown name.
    """
    found: Kind = getattr(_module(parts(name)[0])[0], "KIND", "images")
    return found


def draws_of(name: str) -> tuple[str, ...]:
    """The splits that the dataset of that name has for `--task all-way` alone: its module's `DRAWS`.

    Raises:
        DataError: unknown name.
    """
    found: tuple[str, ...] = getattr(_module(parts(name)[0])[0], "DRAWS", ())
    return found


def about(name: str) -> str:
    """What the dataset is, with its source, licence and files: its module's documentation."""
    return inspect.getdoc(get_dataset(name)) or ""


def dataset_names() -> list[str]:
    """The registered names, sorted."""
    return plugin_names(GROUP)


def get_dataset(name: str) -> Any:
    """What is registered under a name, or what `package.module:name` names.

    Raises:
        DataError: a name that is unknown or registered twice, or a plug-in that cannot be imported or has no `load`.
    """
    found, what = load_plugin(GROUP, "dataset", name)
    if not callable(getattr(found, "load", None)):
        raise DataError(f"{what} has no load(name, options)")
    return found


def usage(name: str) -> str:
    """The name of a registered dataset as users write it, e.g. `folder:PATH`."""
    takes = getattr(get_dataset(name), "TAKES", "")
    return f"{name}:{takes}" if takes else name


def _checked(options: DataOptions | None) -> DataOptions:
    """The options with the data root of the environment; raises DataError for a number out of its range."""
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
    low, high = TOKENS
    if options.max_tokens is not None and not low <= options.max_tokens <= high:
        raise DataError(f"--max-tokens {options.max_tokens} is not possible; give {low} to {high}")
    return options


def _of_place(name: str) -> str:
    """How to ask for a place of the user's that is named without saying what it is; nothing where there is none."""
    if os.path.isdir(name):  # noqa: PTH112 - a name may be what no path can be
        return f"folder:{name} for pictures, or txt:{name} for texts"
    endings = {".csv": "csv", ".jsonl": "jsonl", ".conll": "conll"}
    kind = endings.get(Path(name.lower().removesuffix(".gz")).suffix)
    return f"{kind}:{name}" if kind and os.path.isfile(name) else ""  # noqa: PTH113


def _module(name: str) -> tuple[Any, str]:
    """A dataset, and what it is to be called with: what follows the colon, or the name."""
    source, colon, rest = name.partition(":")
    if source not in dataset_names():
        if meant := _of_place(name):
            raise DataError(f"'{name}' is a place and no dataset; give {meant}")
        return get_dataset(name), name
    found = get_dataset(source)
    takes, variants = getattr(found, "TAKES", ""), [f"{source}:{each}" for each in getattr(found, "VARIANTS", ())]
    if not rest if takes else colon and name not in variants:
        meant = nearest(name, [*variants, usage(source)]) or f"; did you mean '{usage(source)}'?"
        raise DataError(f"there is no dataset '{name}'{meant}")
    return found, rest if takes else name
