"""Caltech-UCSD Birds under torchmeta's names."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets.utils import check_md5

from episodes.dataset import DataOptions
from episodes.datasets.images.cub import ARCHIVE, MD5, find
from episodes.errors import DataError
from episodes.torchmeta.datasets.bank_classes import BankClassDataset, BankMetaDataset
from episodes.torchmeta.datasets.utils import get_asset
from episodes.torchmeta.utils.data.pictures import PictureClass, Pictures


class CUBDataset(PictureClass):
    """The pictures of one class; see `PictureClass`. Their target is its name, `001.Black_footed_Albatross`."""

    def __init__(
        self,
        index: int,
        data: Any,
        label: str,
        transform: Any = None,
        target_transform: Any = None,
        pictures: Pictures | None = None,
    ) -> None:
        super().__init__(index, data, label, transform, target_transform, pictures)
        self.label = label


class CUBClassDataset(BankClassDataset):
    """The 100 / 50 / 50 birds of the split by Chen et al. 2019, photographs of all sizes, as torchmeta has them.

    They are read from the folder of pictures when they are used; from the archive, the split's files are held in
    memory, 0.6 GB for meta-training.
    """

    folder = "cub"
    source = "cub"
    one_size = False

    def contents(self, options: DataOptions) -> tuple[list[Any], Mapping[str, Any]]:
        found = find(self.source, options)
        labels: list[str] = get_asset("cub", f"{self.meta_split}.json")
        files: Mapping[str, Any] = {name: _Files(found / name) for name in labels}
        if found.name == ARCHIVE:
            files = _unpacked(found, labels)
        missing = [name for name in labels if not files[name]]
        if missing:
            raise DataError(
                f"'{found}' lacks pictures of {len(missing)} birds, '{missing[0]}' first; download it again"
            )
        return labels, files

    def one_class(self, index: int, data: Any, label: Any, **arguments: Any) -> CUBDataset:
        return CUBDataset(index, data, label, **arguments)


class CUB(BankMetaDataset):
    """Tasks of Caltech-UCSD Birds-200-2011 (Wah et al. 2011; Hilliard et al. 2018)."""

    class_dataset = CUBClassDataset


class _Files:
    """The bytes of each picture file in a folder, `[bytes]` uint8, in the order of their names."""

    def __init__(self, folder: Path) -> None:
        self._paths = sorted(folder.glob("*.jpg"))

    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | list[NDArray[np.uint8]]:
        if isinstance(index, slice):
            return [np.fromfile(path, np.uint8) for path in self._paths[index]]
        return np.fromfile(self._paths[index], np.uint8)

    def __len__(self) -> int:
        return len(self._paths)


def _unpacked(archive: Path, labels: list[str]) -> dict[str, list[NDArray[np.uint8]]]:
    """The same of the archive, by class.

    Raises:
        DataError: it is not the archive that was published.
    """
    if not check_md5(str(archive), MD5):
        raise DataError(f"'{archive}' is not the archive that was published (MD5 {MD5}); download it again")
    files: dict[str, dict[str, NDArray[np.uint8]]] = {name: {} for name in labels}
    with tarfile.open(archive) as members:
        for member in members:
            path = PurePosixPath(member.name)
            if path.suffix == ".jpg" and path.parent.name in files and (file := members.extractfile(member)):
                files[path.parent.name][path.name] = np.frombuffer(file.read(), np.uint8)
    return {name: [content for _, content in sorted(of_class.items())] for name, of_class in files.items()}
