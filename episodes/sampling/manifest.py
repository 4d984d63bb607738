"""Frozen tasks: episodes in a file, so that others score on exactly these."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from episodes.banks.bank import ItemBank
from episodes.episode import EpisodeIndices
from episodes.errors import DataError
from episodes.files.atomic import write_atomically
from episodes.sampling.sampler import EpisodeList

VERSION = 1
HEADER = b"metabench"
PARTS = tuple(item.name for item in fields(EpisodeIndices))


@dataclass(frozen=True, eq=False)
class Manifest:
    """Frozen tasks, and which images they are of.

    Attributes:
        path: the file, for messages.
        bank: the bank's name, e.g. `glyphs/test`.
        fingerprint: of the bank whose images `episodes` number.
        settings: how they were drawn, by the names of a run's settings; what a run on them takes as given.
        episodes: each of B = 1.
        digest: 32 hexadecimal digits over all of this but the path.
    """

    path: Path
    bank: str
    fingerprint: str
    settings: dict[str, Any]
    episodes: tuple[EpisodeIndices, ...]
    digest: str

    def source(self, bank: ItemBank, device: torch.device | str = "cpu") -> EpisodeList:
        """The tasks with their images.

        Raises:
            DataError: the bank is not the one that they were drawn from.
        """
        if bank.fingerprint != self.fingerprint:
            raise DataError(
                f"the tasks in '{self.path}' are of the images '{self.bank}' with fingerprint {self.fingerprint[:8]}; "
                f"'{bank.name}' has {bank.fingerprint[:8]}: give the dataset, split and image size "
                "that they were frozen with"
            )
        for number, episode in enumerate(self.episodes):
            if not _fits(episode, bank, noisy=bool(self.settings.get("label_noise"))):
                raise DataError(
                    f"task {number} in '{self.path}' has images, labels or classes that do not fit each other; "
                    "fetch it from a source you trust"
                )
        return EpisodeList(bank, self.episodes, device)


def write_manifest(
    path: Path, bank: ItemBank, episodes: Iterable[EpisodeIndices], settings: dict[str, Any]
) -> Manifest:
    """Freeze episodes (each of B = 1) of a bank to a Parquet file: a row per task.

    Its columns are the names of the classes and the image numbers and labels of `EpisodeIndices`, as lists.

    Raises:
        DataError: the file cannot be written.
    """
    frozen = tuple(episodes)
    digest = _digest(bank.name, bank.fingerprint, settings, frozen)
    columns: dict[str, list[Any]] = {
        "class_names": [[bank.class_names[number] for number in episode.classes[0]] for episode in frozen]
    }
    for part in PARTS:
        columns[part] = [getattr(episode, part)[0] for episode in frozen]
    header = {"version": VERSION, "bank": bank.name, "fingerprint": bank.fingerprint, "digest": digest}
    text = json.dumps({**header, "settings": settings})
    table = pa.table(columns).replace_schema_metadata({HEADER: text.encode()})
    write_atomically(path, lambda file: pq.write_table(table, file))
    return Manifest(path, bank.name, bank.fingerprint, settings, frozen, digest)


def read_manifest(path: Path) -> Manifest:
    """Read frozen tasks.

    Raises:
        DataError: the file is missing, of another kind or version, or was changed since it was written.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise DataError(f"--tasks '{path}' is no file; give one that `metabench episodes freeze` has made")
        with path.open("rb") as file:
            table = pq.ParquetFile(file).read(use_threads=False)  # a thread at work on a broken file aborts at exit
        header = json.loads((table.schema.metadata or {})[HEADER])
        if header["version"] != VERSION:
            raise DataError(
                f"'{path}' has frozen tasks of version {header['version']!r}; this metabench reads {VERSION}: "
                "install the other version, or freeze them anew"
            )
        if not isinstance(header["settings"], dict):
            raise TypeError("settings are by name")
        columns = [[_row(values) for values in table[part].to_pylist()] for part in PARTS]
        episodes = tuple(EpisodeIndices(*parts) for parts in zip(*columns, strict=True))
        manifest = Manifest(path, header["bank"], header["fingerprint"], header["settings"], episodes, header["digest"])
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read --tasks '{path}': {error.strerror or error}") from None
    except (pa.ArrowException, KeyError, ValueError, TypeError):
        raise DataError(f"'{path}' is not a file of frozen tasks; `metabench episodes freeze` makes one") from None
    if manifest.digest != _digest(manifest.bank, manifest.fingerprint, manifest.settings, episodes):
        raise DataError(f"the tasks in '{path}' were changed after they were frozen; download the file again")
    return manifest


def _fits(episode: EpisodeIndices, bank: ItemBank, noisy: bool) -> bool:
    """Whether it is a task: images of its classes, each once, queries under their own labels, no unknown label.

    Labels in the support may be wrong if it is `noisy`, and the pool may have other classes.
    """
    (classes,), (support,), (query,) = episode.classes, episode.support, episode.query
    (support_labels,), (query_labels,) = episode.support_labels, episode.query_labels
    images, ways = np.concatenate([support, query, episode.unlabelled[0]]), len(classes)
    ranges = ((classes, bank.classes), (images, len(bank)), (support_labels, ways), (query_labels, ways))
    if (len(support), len(query)) != (len(support_labels), len(query_labels)) or not len(query):
        return False
    if any(((values < 0) | (values >= most)).any() for values, most in ranges):
        return False
    of_classes = bank.labels.numpy()
    wrong = of_classes[support] != classes[support_labels]
    return (
        len(set(classes.tolist())) == ways
        and len(set(images.tolist())) == len(images)
        and set(support_labels.tolist()) == set(range(ways))
        and (noisy or not wrong.any())
        and bool(np.isin(of_classes[support], classes).all())
        and np.array_equal(of_classes[query], classes[query_labels])
    )


def _row(values: object) -> np.ndarray[Any, Any]:
    if not isinstance(values, list):
        raise TypeError("a column of tasks has a list for each")
    return np.asarray(values, dtype=np.int64)[None]


def _digest(bank: str, fingerprint: str, settings: dict[str, Any], episodes: Iterable[EpisodeIndices]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(json.dumps([VERSION, bank, fingerprint, settings], sort_keys=True).encode())
    for episode in episodes:
        for part in PARTS:
            values = np.ascontiguousarray(getattr(episode, part), dtype="<i8")
            digest.update(values.shape[1].to_bytes(8, "little") + values.tobytes())
    return digest.hexdigest()
