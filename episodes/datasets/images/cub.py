"""cub: CUB-200-2011 (Wah et al. 2011), 200 bird species of 41 to 60 photographs, split 100 / 50 / 50.

From https://www.vision.caltech.edu/datasets/cub_200_2011/, for non-commercial research. Split of Chen et al. 2019 (and
Hilliard et al. 2018). Whole photographs, 84 x 84 colour unless --image-size says otherwise; the boxes are not used.
"""

from __future__ import annotations

from pathlib import Path

from torchvision.datasets.utils import check_md5

from episodes.banks.images import ImageBank
from episodes.dataset import DataOptions, Dataset
from episodes.datasets.images.folder import read_classes
from episodes.datasets.splitting import published_split, refuse_split
from episodes.errors import DataError
from episodes.files.bank_cache import cached_dataset
from episodes.files.cache import content_key
from episodes.files.pictures import Pictures

ARCHIVE = "CUB_200_2011.tgz"
MD5 = "97eceeb196236b17998738112f37df78"


def load(name: str, options: DataOptions) -> Dataset[ImageBank]:
    """From the archive CUB_200_2011.tgz, or from the folder that it unpacks to.

    Raises:
        DataError: a --split, missing files, an archive of another checksum, or a picture that cannot be read.
    """
    refuse_split(name, options.split)
    found = find(name, options)
    pictures = Pictures(found)
    size, channels = options.image_size or 84, options.channels or 3
    key = content_key(pictures.files(), size, channels)

    def make() -> Dataset[ImageBank]:
        if found.name == ARCHIVE and not check_md5(str(found), MD5):
            raise DataError(f"'{found}' is not the archive that was published (MD5 {MD5}); download it again")
        paths = [path for path in pictures.paths if found.name != ARCHIVE or path.startswith("CUB_200_2011/images/")]
        return published_split(read_classes(name, pictures, paths, size, channels), name, "cub")

    return cached_dataset(name, "cub", key, make)


def find(name: str, options: DataOptions) -> Path:
    """The archive, or the folder of pictures that it unpacks to.

    Raises:
        DataError: it is nowhere; it is not to be downloaded without its page.
    """
    root = options.folder
    places = [folder / each for folder in (root, root / "cub") for each in ("CUB_200_2011/images", ARCHIVE)]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise DataError(
            f"{name} needs {ARCHIVE} of https://www.vision.caltech.edu/datasets/cub_200_2011/ in '{root}'; put it "
            "there, or name its folder by --data-root"
        )
    return found
