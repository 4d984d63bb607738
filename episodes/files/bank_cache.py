"""Large datasets in the cache folder: memory-mapped, so that opening one reads nothing of its images."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from episodes.banks.images import ImageBank
from episodes.dataset import PARTS, Dataset
from episodes.files.cache import cached
from episodes.places import made_folder

RECIPE = 2  # to be raised with every change of the images that the same files give
FACTS = ("class_names", "class_sizes", "groups")  # of a bank, beside its images

_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError)  # not there yet, or damaged


def cached_dataset(
    name: str, split: str, key: str, make: Callable[[], Dataset[ImageBank]], kept: list[Any] | None = None
) -> Dataset[ImageBank]:
    """The dataset that `make` gives, kept in the cache folder under `key` for the next time.

    Always memory-mapped: a page of the file is read when an image on it is first drawn, and is dropped by the system
    when memory is short. A file there that is cut short or that was written to since is made anew (one that was only
    copied is not), see `episodes.files.cache.cached`. What changes without a trace in the file's time of modification,
    as on a failing disk, is not noticed: that would need all to be read at each start.

    Args:
        name: the dataset's, as it was asked for; the same content may be asked for by several.
        split: the name of its split, likewise.
        key: another for another content, another way of reading it or another split.
        make: reads the dataset from its files.
        kept: what `make` puts there, of JSON's types, is kept too, and is there again when the cache is read.
    """
    kept = [] if kept is None else kept

    def read(path: Path) -> Dataset[ImageBank]:
        dataset, kept[:] = _read(path, name, split)
        return dataset

    def write(file: IO[bytes], dataset: Dataset[ImageBank]) -> None:
        _write(file, dataset, kept)

    def make_named() -> Dataset[ImageBank]:
        dataset = make()
        return Dataset(name, split, **{part: replace(getattr(dataset, part), name=f"{name}/{part}") for part in PARTS})

    path = made_folder() / f"{name.partition(':')[0]}-{key}.safetensors"
    return cached(path, read, make_named, write, _UNREADABLE)


def _write(file: IO[bytes], dataset: Dataset[ImageBank], kept: list[Any]) -> None:
    """The banks with their fingerprints, and the file's time of modification, which shows later writing.

    Images that several banks share are written once.
    """
    banks = {part: getattr(dataset, part) for part in PARTS}
    first = {part: next(each for each in PARTS if banks[each].images is bank.images) for part, bank in banks.items()}
    tensors = {part: banks[part].images.contiguous().numpy() for part in {*first.values()}}
    about = {
        part: {"images": first[part], **{fact: getattr(bank, fact) for fact in (*FACTS, "fingerprint")}}
        for part, bank in banks.items()
    }
    written = int(time.time()) // 2 * 2 * 10**9  # nanoseconds; every file system keeps even seconds
    facts = {"recipe": RECIPE, "written": written, "banks": about, "kept": kept}
    try:
        save_file(tensors, file.name, {"dataset": json.dumps(facts)})
    except SafetensorError as error:  # a full disk, among others
        raise OSError(str(error)) from None
    os.utime(file.name, ns=(written, written))


def _read(path: Path, name: str, split: str) -> tuple[Dataset[ImageBank], list[Any]]:
    """The dataset, and what is kept beside it.

    Raises:
        ValueError: the file holds something else than was written, or would be now.
    """
    with safe_open(path, framework="pt") as file:
        about: dict[str, Any] = json.loads(file.metadata()["dataset"])
        if about["recipe"] != RECIPE:
            raise ValueError(f"'{path}' was made by another recipe")
        banks = {}
        for part, facts in about["banks"].items():
            named = {fact: tuple(facts[fact]) for fact in FACTS}
            banks[part] = ImageBank(f"{name}/{part}", file.get_tensor(facts.get("images", part)), **named)
    written = about["written"]
    if path.stat().st_mtime_ns != written:
        if any(bank.fingerprint != about["banks"][part]["fingerprint"] for part, bank in banks.items()):
            raise ValueError(f"'{path}' was changed")
        with suppress(OSError):  # it is compared again the next time
            os.utime(path, ns=(written, written))
    for part, bank in banks.items():
        vars(bank)["fingerprint"] = about["banks"][part]["fingerprint"]  # what the property would read all images for
    return Dataset(name, split, banks["train"], banks["validation"], banks["test"]), list(about.get("kept", []))
