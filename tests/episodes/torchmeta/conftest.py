from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from episodes import DataOptions, Dataset, ImageBank
from episodes.torchmeta.datasets.bank_classes import BankClassDataset
from episodes.torchmeta.datasets.utils import PARTS


@pytest.fixture
def toy_classes(toy: Dataset, tmp_path: Any) -> Callable[..., BankClassDataset]:
    """Makes a class dataset of the toy data: eight classes of 20 images of 28 x 28 a split."""

    class ToyClasses(BankClassDataset):
        folder = "toy"

        def read(self, options: DataOptions) -> ImageBank:
            bank: ImageBank = getattr(toy, PARTS[self.meta_split])
            return bank

    def make(**arguments: Any) -> BankClassDataset:
        split = arguments.pop("meta_split", "train")
        return ToyClasses(tmp_path, meta_split=split, **arguments)

    return make


@pytest.fixture(scope="session")
def downloads(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as torchmeta's downloads leave it, one for all tests: another is decoded anew."""
    folder = tmp_path_factory.mktemp("torchmeta")
    (folder / "omniglot").symlink_to(data_root / "omniglot-py")
    return folder
