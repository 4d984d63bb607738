"""Token ids of texts in the cache folder: made once for a dataset, a vocabulary and a length, and memory-mapped."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from episodes.banks.spans import SpanBank
from episodes.banks.text import TextBank
from episodes.banks.vocabulary import TextShape, Vocabulary, warn_of_cut
from episodes.banks.word_ids import MOST_OF_QUESTION, word_ids
from episodes.dataset import PARTS, Dataset
from episodes.files.cache import cached
from episodes.places import made_folder

MOST_TOKENS = 128  # of a text, where nothing else is asked for
MOST_TOKENS_OF_QUESTION = 384  # of a window of a question's text, likewise (Devlin et al. 2019)
RECIPE = 1  # to be raised with every change of the ids that the same texts give

_UNREADABLE = (OSError, SafetensorError, ValueError, KeyError, TypeError)  # not there yet, or damaged


def tokenised(
    dataset: Dataset[TextBank], vocabulary: Vocabulary, most: int = MOST_TOKENS, *, counted: bool = True
) -> Dataset[TextBank]:
    """The dataset with the token ids of its texts, kept in the cache folder for the next time.

    Warns of texts that have more tokens than `most`, whose end is cut.

    Args:
        dataset: of texts.
        vocabulary: from texts to token ids.
        most: tokens of a text, special ones included.
        counted: whether learners may know in how many training texts each token occurs (see `TextShape`).
    """
    banks: dict[str, TextBank] = {part: getattr(dataset, part) for part in PARTS}

    def make() -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = {}
        for part, bank in banks.items():
            ids, ends, cut = vocabulary.encode(list(bank.texts()), most)
            tensors |= {f"{part}.ids": torch.from_numpy(ids + 1), f"{part}.ends": torch.from_numpy(ends)}
            tensors[f"{part}.cut"] = torch.tensor(cut)
        ids, ends = tensors["train.ids"].numpy(), tensors["train.ends"].numpy()
        tensors["frequencies"] = torch.from_numpy(_frequencies(ids, ends, len(vocabulary)))
        return tensors

    key = repr([RECIPE, [bank.fingerprint for bank in banks.values()], vocabulary.digest, most])
    tensors = _kept(key, make)
    known = (len(banks["train"]), tensors["frequencies"].numpy()) if counted else ()
    shape = TextShape(most, vocabulary, *known)
    for part, bank in banks.items():
        warn_of_cut(bank.name, int(tensors[f"{part}.cut"]), len(bank), most)
        banks[part] = replace(bank, ids=tensors[f"{part}.ids"], id_ends=tensors[f"{part}.ends"], shape=shape)
        vars(banks[part])["fingerprint"] = bank.fingerprint  # which reads all texts
    return replace(dataset, train=banks["train"], validation=banks["validation"], test=banks["test"])


def with_word_ids(dataset: Dataset[SpanBank], vocabulary: Vocabulary, most: int) -> Dataset[SpanBank]:
    """The same of sentences, whose windows have at most `most` tokens; warns of questions that lose their end."""
    banks: dict[str, SpanBank] = {part: getattr(dataset, part) for part in PARTS}

    def make() -> dict[str, torch.Tensor]:
        tensors: dict[str, torch.Tensor] = {}
        for part, bank in banks.items():
            made = word_ids(bank.sentences, vocabulary, most)
            arrays = {"ids": made.ids, "ends": made.ends, "windows": made.window_ends, "cut": np.asarray(made.cut)}
            tensors |= {f"{part}.{name}": torch.from_numpy(array) for name, array in arrays.items()}
        return tensors

    key = repr(["words", RECIPE, [bank.fingerprint for bank in banks.values()], vocabulary.digest, most])
    tensors = _kept(key, make)
    for part, bank in banks.items():
        ids, ends, window_ends = (tensors[f"{part}.{name}"] for name in ("ids", "ends", "windows"))
        if cut := int(tensors[f"{part}.cut"]):
            warnings.warn(
                f"the end of {cut:,} of the {len(bank):,} questions of '{bank.name}' is cut, after "
                f"{min(MOST_OF_QUESTION, most // 2)} tokens",
                stacklevel=2,
            )
        shape = TextShape(most, vocabulary)
        banks[part] = replace(bank, ids=ids, id_ends=ends, window_ends=window_ends, shape=shape)
        vars(banks[part])["fingerprint"] = bank.fingerprint  # which reads all sentences
    return replace(dataset, train=banks["train"], validation=banks["validation"], test=banks["test"])


def _kept(key: str, make: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """What `make` gives, from the cache folder's file of that key where it is there."""
    path = made_folder() / f"tokens-{hashlib.sha256(key.encode()).hexdigest()[:16]}.safetensors"

    def write(file: IO[bytes], tensors: dict[str, torch.Tensor]) -> None:
        try:
            save_file(tensors, file.name, {"key": key})
        except SafetensorError as error:  # a full disk, among others
            raise OSError(str(error)) from None

    def read(path: Path) -> dict[str, torch.Tensor]:
        with safe_open(path, framework="pt") as file:
            if file.metadata()["key"] != key:
                raise ValueError(f"'{path}' is of other texts")
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is not a mapping

    return cached(path, read, make, write, _UNREADABLE)


def _frequencies(ids: np.ndarray, ends: np.ndarray, tokens: int) -> np.ndarray:
    """In how many texts each token occurs, `[tokens]` int64."""
    text = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    once = np.unique(np.stack([text, ids.astype(np.int64) - 1], axis=1), axis=0)
    return np.bincount(once[:, 1], minlength=tokens)
