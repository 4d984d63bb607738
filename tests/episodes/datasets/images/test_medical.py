"""chestx and isic2018, from files as their archives unpack, with few pictures."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from episodes import DataError, DataOptions, load
from episodes.datasets import find

HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,OriginalImage[Width,"
    "Height],OriginalImagePixelSpacing[x,y],"
)
SEVEN = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumothorax"]
LESIONS = ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]


def drawn(path: Path, grey: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (20, 20), grey).save(path)


def test_x_rays_of_one_of_seven_findings_are_read_from_twelve_folders(tmp_path: Path) -> None:
    """What BSCD-FSL leaves out is: several findings, none, and other findings; their pictures need not be there."""
    rows = []
    for number, finding in enumerate(SEVEN):
        for more in range(2):
            name = f"0000000{number}_00{more}.png"
            drawn(tmp_path / "chestx" / f"images_0{number + 1:02}" / "images" / name, 30 * number + more)
            rows.append(f"{name},{finding}")
    others = ("No Finding", "Pneumonia", "Hernia", "Mass|Nodule", "Cardiomegaly|Emphysema")
    rows += [f"00000009_00{number}.png,{finding}" for number, finding in enumerate(others)]
    lines = [HEADER, *(f"{row},0,1,058Y,M,PA,2682,2749,0.143,0.143," for row in rows)]
    (tmp_path / "chestx" / "Data_Entry_2017.csv").write_text("\n".join([*lines, ""]))
    options = DataOptions(tmp_path, "all", image_size=16, channels=1)
    whole = load("chestx", options)
    assert (whole.name, whole.split, whole.test.class_names) == ("chestx", "all", tuple(SEVEN))
    assert whole.test.images[:, 0, 8, 8].tolist() == [30 * number + more for number in range(7) for more in range(2)]
    assert [bank.classes for bank in (load("chestx", DataOptions(tmp_path, image_size=16)).test, whole.test)] == [2, 7]
    assert find("chestx", DataOptions(tmp_path / "chestx")) == tmp_path / "chestx"
    (tmp_path / "chestx" / "images_003" / "images" / "00000002_001.png").unlink()
    with pytest.raises(DataError, match=r"lists 1 of 14 pictures that are nowhere in .*: '00000002_001.png' first"):
        load("chestx", options)


@pytest.mark.parametrize("packed", [False, True])
def test_skin_lesions_are_read_by_their_columns(tmp_path: Path, packed: bool) -> None:
    root = tmp_path / "isic2018"
    rows = []
    for number in range(14):
        drawn(root / "ISIC2018_Task3_Training_Input" / f"ISIC_00243{number:02}.jpg", 15 * number)
        marks = ["1.0" if column == number % 7 else "0.0" for column in range(7)]
        rows.append(",".join([f"ISIC_00243{number:02}", *marks]))
    table = root / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"
    table.parent.mkdir()
    table.write_text("\n".join([",".join(["image", *LESIONS]), *rows, ""]))
    if packed:
        shutil.make_archive(str(root / "ISIC2018_Task3_Training_Input"), "zip", root, "ISIC2018_Task3_Training_Input")
        shutil.rmtree(root / "ISIC2018_Task3_Training_Input")
    whole = load("isic2018", DataOptions(tmp_path, "all", image_size=16, channels=1))
    assert whole.test.class_names == tuple(sorted(LESIONS))
    found = dict(zip(whole.test.class_names, whole.test.images[:, 0, 8, 8].view(7, 2).tolist(), strict=True))
    assert found == {
        name: [pytest.approx(15 * number, abs=2), pytest.approx(15 * (number + 7), abs=2)]
        for number, name in enumerate(LESIONS)
    }


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^chestx needs 'Data_Entry_2017.csv' with its pictures in '.*chestx'; put"):
        load("chestx", DataOptions(tmp_path))
    (tmp_path / "ISIC2018_Task3_Training_GroundTruth").mkdir()
    table = tmp_path / "ISIC2018_Task3_Training_GroundTruth" / "ISIC2018_Task3_Training_GroundTruth.csv"
    table.write_text("image,MEL,NV\nISIC_0,1.0,0.0\n")
    with pytest.raises(DataError, match=r"has no folder ISIC2018_Task3_Training_Input, nor ISIC2018_.*.zip; put"):
        load("isic2018", DataOptions(tmp_path))
