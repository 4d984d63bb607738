"""Lake's 20 one-shot runs on Omniglot: in each, 20 characters of one new alphabet, one drawing of each to learn from.

Lake, Salakhutdinov, Tenenbaum 2015: 20 test drawings per run are each to be matched to one of 20 drawings by another
person. The paper's error rates: people 4.5%, Bayesian program learning 3.3%. From
https://github.com/brendenlake/omniglot, `python/one-shot-classification/all_runs.zip`; licence: MIT.
"""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torchvision.datasets.utils import download_url

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions
from episodes.datasets.images.omniglot_drawings import decode_drawing, grey_or_colour, shrink
from episodes.episode import EpisodeIndices
from episodes.errors import DataError
from episodes.files.download import fetch

SOURCE = "https://raw.githubusercontent.com/brendenlake/omniglot/master/python/one-shot-classification/all_runs.zip"
RUNS = WAYS = 20
# SHA-256 of the 800 drawings in the order of the bank, one bit per pixel.
PIXELS = "5a6ad76fa9104d13510091e134fa50345e8582fcfedb2e04e40b9890c96a382a"


def load_runs(options: DataOptions) -> tuple[ImageBank, tuple[EpisodeIndices, ...]]:
    """The runs' drawings, two per class (to learn from, to match), and the 20 episodes.

    Raises:
        DataError: the file is missing and cannot be downloaded, or is not Lake's.
    """
    path = _find(options)
    names, masks = [], []
    try:
        with zipfile.ZipFile(path) as archive:
            for run in range(1, RUNS + 1):
                lines = archive.read(f"run{run:02}/class_labels.txt").decode("ascii").splitlines()
                test_of = {training: test for test, training in (line.split() for line in lines)}
                for training in sorted(test_of):
                    names.append(f"run{run:02}/{PurePosixPath(training).stem}")
                    for entry in (training, test_of[training]):
                        masks.append(decode_drawing(path, entry, partial(archive.read, entry)))
    except (zipfile.BadZipFile, zlib.error, OSError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise DataError(f"cannot read Lake's runs from '{path}': {error}; download all_runs.zip again") from None
    digest = hashlib.sha256(b"".join(np.packbits(mask).tobytes() for mask in masks)).hexdigest()
    if digest != PIXELS:
        raise DataError(f"the drawings in '{path}' are not those of Lake's 20 runs; download all_runs.zip again")
    size = options.image_size or 28
    images = torch.from_numpy(np.stack([shrink(mask, size) for mask in masks]))
    groups = tuple(name.split("/")[0] for name in names)
    channels = options.channels or 1
    bank = ImageBank("omniglot/test", grey_or_colour(images, channels), tuple(names), (2,) * len(names), groups)
    return bank, tuple(_episode(run) for run in range(RUNS))


def _episode(run: int) -> EpisodeIndices:
    classes = np.arange(run * WAYS, (run + 1) * WAYS)[None]
    labels = np.arange(WAYS)[None]
    return EpisodeIndices(classes, 2 * classes, labels, 2 * classes + 1, labels, np.zeros((1, 0), dtype=np.int64))


def _find(options: DataOptions) -> Path:
    root = options.folder
    for folder in (root, root / "omniglot-one-shot", root / "omniglot-py"):
        if (folder / "all_runs.zip").is_file():
            return folder / "all_runs.zip"
    target = root / "omniglot-one-shot"
    needs = f"--split one-shot needs all_runs.zip ({SOURCE}) in '{target}'"
    fetch(needs, allowed=options.download, download=lambda: download_url(SOURCE, str(target)))
    return target / "all_runs.zip"
