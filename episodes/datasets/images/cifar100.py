"""cifar-fs and fc100: the 100 classes of CIFAR-100, split for few-shot learning; 600 images each, 32 x 32 colour.

CIFAR-100: Krizhevsky 2009, from https://www.cs.toronto.edu/~kriz/cifar.html, for research; both its parts are pooled.
`cifar-fs` (Bertinetto et al. 2019) has 64 / 16 / 20 classes, whose superclasses overlap between the splits; `fc100`
(Oreshkin et al. 2018) has 60 / 20 / 20, whole superclasses in each. A class's group is its superclass.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR100

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.splitting import published, published_split, refuse_split
from episodes.errors import DataError
from episodes.files.download import fetch


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """`cifar-fs` or `fc100`, from torchvision's files of CIFAR-100.

    Raises:
        DataError: a --split, or files that are missing and cannot be downloaded.
    """
    refuse_split(name, options.split)
    found = find(name, options)
    try:
        parts = [CIFAR100(str(found.parent), train=train) for train in (True, False)]
    except RuntimeError:
        raise DataError(f"'{found}' is not complete: its checksums are not CIFAR-100's; download it again") from None
    images = torch.from_numpy(np.concatenate([part.data for part in parts])).permute(0, 3, 1, 2)
    superclasses = published("cifar100_superclasses")["superclasses"]
    names = parts[0].classes
    labels = [label for part in parts for label in part.targets]
    bank = ImageBank.from_labels(name, images, labels, names, [superclasses[each] for each in names])
    size = options.image_size or 32
    return published_split(bank.fitted((options.channels or 3, size, size)), name, name)


def find(name: str, options: DataOptions) -> Path:
    """The folder that CIFAR-100's archive unpacks to; downloaded if it is nowhere and that is wanted.

    Raises:
        DataError: it is missing.
    """
    root = options.folder
    found = root / str(CIFAR100.base_folder)
    if not found.is_dir():
        needs = f"{name} needs the folder {CIFAR100.base_folder} of {CIFAR100.url} in '{root}'"
        fetch(needs, allowed=options.download, download=lambda: CIFAR100(str(root), download=True))
    return found
