import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from episodes import DataError, DataOptions, Dataset, ImageBank, load
from episodes.datasets.all_way import all_way
from episodes.datasets.images.folder import find


def parts(dataset: Dataset) -> list[ImageBank]:
    return [dataset.train, dataset.validation, dataset.test]


def test_every_picture_is_read_once(pictures: Path) -> None:
    dataset = load(f"folder:{pictures}", DataOptions(image_size=16))
    assert [bank.classes for bank in parts(dataset)] == [2, 2, 2]
    for bank in parts(dataset):
        assert bank.class_sizes == (3, 3)
        assert bank.item_shape == (3, 16, 16)
        for name, start in zip(bank.class_names, bank.class_starts, strict=True):
            number = int(name[-1])
            expected = np.array([40 * number, 0, 255 - 40 * number])
            found = bank.images[start : start + 3].permute(0, 2, 3, 1).reshape(-1, 3).numpy()
            assert np.abs(found - expected).max() <= 4  # JPEG


def test_size_and_grey_can_be_chosen(pictures: Path) -> None:
    assert load(f"folder:{pictures}").train.item_shape == (3, 84, 84)
    grey = load(f"folder:{pictures}", DataOptions(image_size=20, channels=1)).train
    assert grey.item_shape == (1, 20, 20)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(b"", "it is empty"), (b"not a picture", "its content is not a picture"), ("cut", ".*")],
)
def test_a_corrupt_picture_is_named(pictures: Path, broken: bytes | str, reason: str) -> None:
    victim = pictures / "colour3" / "more" / "c.JPG"
    victim.write_bytes(victim.read_bytes()[:200] if isinstance(broken, str) else broken)
    with pytest.raises(
        DataError, match=f"cannot read the picture '.*colour3/more/c.JPG': {reason}; repair or remove it"
    ):
        load(f"folder:{pictures}")


def test_a_picture_of_absurd_size_is_named(pictures: Path) -> None:
    from PIL import PngImagePlugin

    header = b"\x89PNG\r\n\x1a\n"
    body = (100_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    with (pictures / "colour1" / "a.png").open("wb") as file:
        file.write(header)
        PngImagePlugin.putchunk(file, b"IHDR", body)
        PngImagePlugin.putchunk(file, b"IEND")
    with pytest.raises(DataError, match=r"cannot read the picture '.*colour1/a.png'"):
        load(f"folder:{pictures}")


def test_folders_without_pictures_are_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no folder '.*none'; --dataset folder:PATH needs one"):
        load(f"folder:{tmp_path / 'none'}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"'.*empty' does not hold a folder of pictures for each class: "):
        load(f"folder:{tmp_path / 'empty'}")
    (pictures / "colour6").mkdir()
    with pytest.raises(DataError, match=r"does not hold a folder of pictures for each class: .*colour6"):
        load(f"folder:{pictures}")


def test_an_explicit_split_is_followed(pictures: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.json"
    split.write_text('{"train": ["colour5"], "validation": ["colour1"], "test": ["colour0", "colour2"]}')
    dataset = load(f"folder:{pictures}", DataOptions(image_size=16, split=str(split)))
    assert [bank.class_names for bank in parts(dataset)] == [("colour5",), ("colour1",), ("colour0", "colour2")]


def test_real_photographs_in_an_archive(photographs: Dataset) -> None:
    assert [bank.classes for bank in parts(photographs)] == [100, 24, 36]
    assert set(photographs.test.class_sizes) == {120}
    assert 60 < photographs.test.images.float().mean() < 190


@pytest.mark.parametrize("ending", ["zip", "tar", "gztar"])
@pytest.mark.parametrize("inside", [False, True])
def test_an_archive_is_read_as_its_folder(pictures: Path, tmp_path: Path, ending: str, *, inside: bool) -> None:
    root, base = (pictures.parent, pictures.name) if inside else (pictures, ".")
    archive = shutil.make_archive(str(tmp_path / "packed"), ending, root, base)
    packed, tree = (load(f"folder:{each}", DataOptions(image_size=16)) for each in (archive, pictures))
    for first, second in zip(parts(packed), parts(tree), strict=True):
        assert first.fingerprint == second.fingerprint


def test_an_archive_alone_in_a_folder_is_read_under_the_folders_name(pictures: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "download" / "images"), "zip", pictures)
    (tmp_path / "download" / "split.json").write_text("{}")
    packed, tree = (load(f"folder:{each}", DataOptions(image_size=16)) for each in (tmp_path / "download", pictures))
    assert packed.name == "folder:download"
    assert [bank.fingerprint for bank in parts(packed)] == [bank.fingerprint for bank in parts(tree)]
    (tmp_path / "download" / "more").mkdir()
    with pytest.raises(DataError, match=r"download' does not hold a folder of pictures for each class"):
        load(f"folder:{tmp_path / 'download'}", DataOptions(image_size=16))


def test_a_split_file_may_be_in_the_data_root(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = sorted(each.name for each in pictures.iterdir())
    own = {"train": names[:2], "validation": names[2:4], "test": names[4:6]}
    (pictures.parent / "mine.json").write_text(json.dumps(own))
    options = DataOptions(pictures.parent, "mine.json", image_size=16)
    made = load(f"folder:{pictures.name}", options)
    assert (made.split, list(made.test.class_names)) == ("mine.json", own["test"])
    Path("mine.json").write_text(json.dumps({**own, "test": own["train"], "train": own["test"]}))
    assert list(load(f"folder:{pictures.name}", options).test.class_names) == own["train"]  # the nearer one first


def test_what_is_changed_is_read_anew(pictures: Path) -> None:
    def colours() -> set[int]:
        banks = parts(load(f"folder:{pictures}", DataOptions(image_size=16)))
        return {int(value) for bank in banks for value in bank.images[:, 1].flatten()}

    assert max(colours()) < 5
    victim = pictures / "colour2" / "a.png"
    before = victim.stat()
    Image.new("RGB", (40, 30), (0, 200, 0)).save(victim)
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))  # as an unpacked archive would set it
    assert 200 in colours()
    Image.new("RGB", (40, 30), (0, 100, 0)).save(pictures / "colour2" / "d.png")
    assert {100, 200} <= colours()
    (pictures / "colour2" / "a.png").unlink()
    assert 200 not in colours()
    split = pictures.parent / "split.json"
    for tested in ("colour0", "colour1"):
        split.write_text(f'{{"train": ["colour5"], "validation": ["colour4"], "test": ["{tested}"]}}')
        assert load(f"folder:{pictures}", DataOptions(split=str(split))).test.class_names == (tested,)


def test_a_folder_has_one_name_however_it_is_spelt(
    pictures: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(pictures)
    names = '{"train": ["colour5"], "validation": ["colour1"], "test": ["colour0", "colour2"]}'
    for file in ("one.json", "two.json"):
        (tmp_path / file).write_text(names)
    before = len(list((cache / "banks").iterdir()))
    for name in (pictures, "colours", "./colours", "colours/", "link"):
        known = "link" if name == "link" else "colours"
        for split in ("one.json", "two.json"):
            dataset = load(f"folder:{name}", DataOptions(image_size=16, split=split))
            assert (dataset.name, dataset.split) == (f"folder:{known}", split)
            assert [bank.name for bank in parts(dataset)] == [
                f"folder:{known}/{part}" for part in ("train", "validation", "test")
            ]
    assert len(list((cache / "banks").iterdir())) == before + 1


def test_the_current_folder_is_one_too(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures)
    for name in (".", "./", "../colours"):
        assert load(f"folder:{name}", DataOptions(image_size=16)).name == "folder:colours"


def test_classes_that_differ_in_case_alone_are_named(pictures: Path) -> None:
    (pictures / "colour5").rename(pictures / "Colour4")
    with pytest.warns(UserWarning, match="has classes that differ in case alone, 'Colour4' and 'colour4' first"):
        load(f"folder:{pictures}", DataOptions(image_size=16))


def test_all_classes_at_once(pictures: Path, tmp_path: Path) -> None:
    """Of a folder without parts the halves of every class; of train and test with the same classes, each its own."""
    whole = all_way(f"folder:{pictures}", DataOptions(image_size=16))
    assert (whole.test.classes, whole.test.class_sizes, whole.test.held_out) == (6, (3,) * 6, (1,) * 6)
    apart = tmp_path / "apart"
    for number in range(6):
        shutil.copytree(pictures / f"colour{number}", apart / ("train" if number % 2 else "test") / f"colour{number}")
    assert all_way(f"folder:{apart}", DataOptions(image_size=16)).test.classes == 6
    for number in (1, 3):
        (apart / "validation").mkdir(exist_ok=True)
        (apart / "train" / f"colour{number}").rename(apart / "validation" / f"colour{number}")
    assert all_way(f"folder:{apart}", DataOptions(image_size=16)).test.class_names == ("colour0", "colour2", "colour4")
    both = tmp_path / "both"
    for part, names in (("train", "ab"), ("test", "c")):
        for folder in pictures.iterdir():
            (both / part / folder.name).mkdir(parents=True)
            for name in names:
                file = folder / "more" / "c.JPG" if name == "c" else folder / f"{name}.png"
                file.rename(both / part / folder.name / file.name)
    dataset = all_way(f"folder:{both}", DataOptions(image_size=16))
    assert (dataset.test.classes, dataset.test.class_sizes, dataset.test.held_out) == (6, (3,) * 6, (1,) * 6)
    assert dataset.train.class_sizes == (2,) * 6
    (both / "test" / "colour3" / "c.JPG").rename(both / "test" / "colour2" / "d.JPG")
    (both / "test" / "colour3").rmdir()
    with pytest.raises(DataError, match=r"class 'colour3' \(1 in all\) in train alone, and --task all-way takes all"):
        all_way(f"folder:{both}", DataOptions(image_size=16))
    with pytest.raises(DataError, match="has no split 'seed=0'"):
        all_way(f"folder:{both}", DataOptions(image_size=16, split="seed=0"))


def test_links_are_classes_of_their_own_name(pictures: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for number, folder in enumerate(sorted(pictures.iterdir())):
        (links / f"class{number}").symlink_to(folder)

    def names() -> set[str]:
        return {
            name for bank in parts(load(f"folder:{links}", DataOptions(image_size=16))) for name in bank.class_names
        }

    assert names() == {f"class{number}" for number in range(6)}
    (links / "class3").rename(links / "class3b")
    assert "class3b" in names()


def test_hidden_folders_are_no_classes(pictures: Path) -> None:
    (pictures / ".thumbnails").mkdir()
    (pictures / "__MACOSX").mkdir()
    shutil.copytree(pictures / "colour0", pictures / ".trash")
    assert sum(bank.classes for bank in parts(load(f"folder:{pictures}", DataOptions(image_size=16)))) == 6


def test_a_relative_folder_is_looked_for_under_the_data_root_first(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for elsewhere in ("here", "there"):
        shutil.copytree(pictures, tmp_path / elsewhere / "colours")
    monkeypatch.chdir(tmp_path / "here")
    there = tmp_path / "there"
    for root in (there, there / "colours", Path("../there"), Path("../there/colours")):
        assert find("colours", DataOptions(data_root=root)).resolve() == there / "colours"
    for path in ("colours", "colours/", "."):
        assert find(path, DataOptions()).resolve() == tmp_path / "here" / path
    assert find(str(pictures), DataOptions(data_root=there)) == pictures
    assert find("colours", DataOptions(data_root=tmp_path / "nothing")) == Path("colours")
    with pytest.raises(DataError, match="no folder 'paints', neither here nor in --data-root "):
        find("paints", DataOptions(data_root=there))
    with pytest.raises(DataError, match="for one elsewhere, --data-root names the folder it is in"):
        find("paints", DataOptions())
