"""Large datasets in the cache folder: memory-mapped, so that opening one reads nothing of its images."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from episodes.bank import ImageBank
from episodes.cache import cache_folder, write_atomically
from episodes.datasets import PARTS, Dataset
from episodes.errors import DataError


def cached_dataset(name: str, key: str, make: Callable[[], Dataset]) -> Dataset:
    """The dataset that `make` gives, kept in the cache folder under `name` and `key` for the next time.

    Always memory-mapped: a page of the file is read when an image on it is first drawn, and is dropped by the system
    when memory is short. A file there that cannot be read is made anew; where the folder cannot be written, a
    warning is all.

    Args:
        name: what it is, for the file's name.
        key: another for another content or another way of reading it.
        make: reads the dataset from its files.
    """
    path = cache_folder() / "banks" / f"{name}-{key}.safetensors"
    try:
        return _read(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        pass  # not there yet, or damaged
    dataset = make()
    try:
        tensors, about = _content(dataset)
        write_atomically(path, lambda file: save_file(tensors, file.name, about))
    except DataError as error:
        warnings.warn(f"{error} by METABENCH_CACHE; until then it is made anew each time", stacklevel=2)
        return dataset
    return _read(path)


def _content(dataset: Dataset) -> tuple[dict[str, Any], dict[str, str]]:
    banks = {part: getattr(dataset, part) for part in PARTS}
    tensors = {part: bank.images.contiguous().numpy() for part, bank in banks.items()}
    facts = ("name", "fingerprint", "class_names", "class_sizes", "groups")
    about = {part: {fact: getattr(bank, fact) for fact in facts} for part, bank in banks.items()}
    return tensors, {"dataset": json.dumps({"name": dataset.name, "split": dataset.split, "banks": about})}


def _read(path: Path) -> Dataset:
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["dataset"])
        banks = {}
        for part, facts in about["banks"].items():
            fingerprint = facts.pop("fingerprint")
            name = facts.pop("name")
            bank = ImageBank(name, file.get_tensor(part), **{key: tuple(value) for key, value in facts.items()})
            vars(bank)["fingerprint"] = fingerprint  # what the cached property would read all images for
            banks[part] = bank
    return Dataset(about["name"], about["split"], banks["train"], banks["validation"], banks["test"])
