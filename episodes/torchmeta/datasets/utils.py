"""The lists of classes that torchmeta has beside its datasets."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from episodes.datasets.images.omniglot import evaluation_alphabets
from episodes.datasets.splitting import published
from episodes.torchmeta.utils.data.dataset import SPLITS

PARTS = dict(zip(SPLITS, ("train", "validation", "test"), strict=True))  # torchmeta's name of a split, and ours


def get_asset(*args: str, dtype: str | None = None) -> Any:
    """The classes of a split: `get_asset("cub", "train.json")`, `("cifar100", "cifar-fs", "val.json")` and so on.

    A list of names for cub, of superclasses for cifar100/fc100, of superclass and class for cifar100/cifar-fs; for
    omniglot the characters of each alphabet under `background` and `evaluation`.

    Args:
        args: the parts of the path: the dataset, and `train.json`, `val.json` or `test.json`.
        dtype: "json", or None.

    Raises:
        OSError: there is no such list.
        NotImplementedError: another `dtype`.
    """
    path = PurePosixPath(*args)
    makers = {"cub": _cub, "cifar100/cifar-fs": _cifar_fs, "cifar100/fc100": _fc100, "omniglot": _omniglot}
    if str(path.parent) not in makers or path.name not in [f"{split}.json" for split in SPLITS]:
        raise FileNotFoundError(
            f"{path} not found; there are train.json, val.json and test.json of {', '.join(makers)}"
        )
    if dtype not in (None, "json"):
        raise NotImplementedError(f"the lists of classes are of dtype json, not {dtype}")
    return makers[str(path.parent)](PARTS[path.stem])


def _cub(part: str) -> list[str]:
    return list(published("cub")[part])


def _cifar_fs(part: str) -> list[list[str]]:
    superclasses = published("cifar100_superclasses")["superclasses"]
    return sorted([superclasses[name], name] for name in published("cifar-fs")[part])


def _fc100(part: str) -> list[str]:
    superclasses = published("cifar100_superclasses")["superclasses"]
    return sorted({superclasses[name] for name in published("fc100")[part]})


def _omniglot(part: str) -> dict[str, dict[str, list[str]]]:
    content = published("omniglot")
    split, evaluation = content["splits"]["vinyals"], evaluation_alphabets()
    found: dict[str, dict[str, list[str]]] = {"background": {}, "evaluation": {}}
    for alphabet, count in content["characters"].items():
        for number in range(1, count + 1):
            character = f"character{number:02}"
            listed = {alphabet, f"{alphabet}/{character}"}
            owner = next((each for each in ("validation", "test") if listed & {*split[each]}), "train")
            if owner == part:
                side = found["evaluation" if alphabet in evaluation else "background"]
                side.setdefault(alphabet, []).append(character)
    return found
