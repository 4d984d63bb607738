"""chestx, isic2018: X-rays of the chest (chestx) and skin lesions (isic2018), of BSCD-FSL (Guo et al. 2020).

Seven classes each, without a class split: --test-split all tests on them what was trained on another dataset. Read from
what their authors' archives unpack to, in a folder `chestx` or `isic2018` of --data-root, or in that itself; there is
nothing to download from without an account.

- chestx: ChestX-ray14 (Wang et al. 2017): `Data_Entry_2017.csv`, and the pictures in any folders beside it (`images`,
  or `images_001/images` and so on). Only pictures of one finding count, of Atelectasis, Cardiomegaly, Effusion,
  Infiltration, Mass, Nodule and Pneumothorax. From https://www.kaggle.com/datasets/nih-chest-xrays/data, CC0.
- isic2018: task 3 of ISIC 2018 (Codella et al. 2019, Tschandl et al. 2018): the folders
  `ISIC2018_Task3_Training_GroundTruth` and `ISIC2018_Task3_Training_Input`, the second also as `.zip`. From
  https://challenge.isic-archive.com/data, CC BY-NC 4.0.
"""

from __future__ import annotations

from pathlib import Path

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.picture_list import PictureList
from episodes.datasets.images.picture_table import read_list
from episodes.datasets.text.reading import read_rows
from episodes.errors import DataError
from episodes.files.pictures import Pictures

FINDINGS = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax")
TABLES = {
    "chestx": Path("Data_Entry_2017.csv"),
    "isic2018": Path("ISIC2018_Task3_Training_GroundTruth", "ISIC2018_Task3_Training_GroundTruth.csv"),
}
LESIONS = "ISIC2018_Task3_Training_Input"


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """All pictures of the seven classes, split as `episodes.datasets.splitting.split_classes` says.

    Raises:
        DataError: missing or unreadable files.
    """
    root = find(name, options)
    table = root / TABLES[name]
    listed, pictures = (_findings(table), root) if name == "chestx" else (read_list(table), _lesions(root))
    labelled, _ = listed.found(Pictures(pictures))
    return labelled.load(name, options, "")


def find(name: str, options: DataOptions) -> Path:
    """The folder that has the table.

    Raises:
        DataError: there is none.
    """
    places = [options.folder / name, options.folder]
    if found := next((place for place in places if (place / TABLES[name]).is_file()), None):
        return found
    raise DataError(
        f"{name} needs '{TABLES[name]}' with its pictures in '{places[0]}'; put there what its archives unpack to "
        "(see `metabench data list`), or name that folder by --data-root"
    )


def _findings(table: Path) -> PictureList:
    """The pictures of the chest that have one finding, which is of the seven."""
    listed = PictureList(table)
    for row in read_rows(table, ("Image Index", "Finding Labels"), advice="download it again"):
        picture, findings = row.fields
        if findings in FINDINGS:  # of several there is a `|` between each two
            listed.add(f"line {row.line:,}", picture, findings, None, None)
    return listed


def _lesions(root: Path) -> Path:
    """Where the pictures of skin are."""
    for place in (root / LESIONS, root / f"{LESIONS}.zip"):
        if place.exists():
            return place
    raise DataError(f"'{root}' has no folder {LESIONS}, nor {LESIONS}.zip; put it there")
