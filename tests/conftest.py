import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import torch

from episodes import DataOptions, Dataset, ImageBank, load

PROJECT = Path(__file__).parent.parent
DATA = os.environ.get("METABENCH_DATA")  # read here, since no test is to see it


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest test first, so that no process waits for it in the end."""
    items.sort(key=lambda item: item.name != "test_the_checks_pass")


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One fresh cache folder for the whole run, so that nothing left on the machine is tested.

    Processes that share the tests share decoded data; where files were last read each remembers by itself.
    """
    folder = tmp_path_factory.mktemp("cache")
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = tmp_path_factory.getbasetemp().parent / "banks"
        shared.mkdir(exist_ok=True)
        (folder / "banks").symlink_to(shared)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METABENCH_CACHE", str(folder))
        patch.delenv("METABENCH_DATA", raising=False)
        yield folder


@pytest.fixture(autouse=True, scope="session")
def one_thread_a_worker() -> Iterator[None]:
    """Where several processes share the tests (`pytest -n`), for them and the programs that they start."""
    with pytest.MonkeyPatch.context() as patch:
        if "PYTEST_XDIST_WORKER" in os.environ:
            torch.set_num_threads(1)
            patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The real data; in CI it must be there."""
    for folder in map(Path, filter(None, (DATA, PROJECT.parent / "shared" / "data"))):
        if folder.is_dir():
            return folder.resolve()
    message = "the real data is in neither $METABENCH_DATA nor ../shared/data"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def learn2learn() -> Any:
    """The library, for comparison; in CI it must be installed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports the unmaintained gym
        if os.environ.get("CI"):
            import learn2learn
        else:
            learn2learn = pytest.importorskip("learn2learn")
    return learn2learn


@pytest.fixture(scope="session")
def glyphs() -> Dataset:
    return load("glyphs")


@pytest.fixture(scope="session")
def photographs(data_root: Path) -> Dataset:
    """160 classes of 120 real photographs, by the split that comes with them."""
    folder = data_root / "tiny-imagenet-160"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* 1 picture with the content of others in different classes")
        return load(f"folder:{folder / 'images.zip'}", DataOptions(image_size=32, split=str(folder / "split.json")))


@pytest.fixture(scope="session")
def emoji(data_root: Path) -> Dataset:
    """1,076 things in 8,418 real drawings."""
    return load("emoji", DataOptions(data_root=data_root))


@pytest.fixture(scope="session")
def mini_imagenet(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mini-ImageNet's zips as they come, of every 15th photograph of each class."""
    folder = tmp_path_factory.mktemp("mini-imagenet")
    for part in ("train.zip", "val.zip", "test.zip"):
        with ZipFile(data_root / "mini-imagenet" / part) as source, ZipFile(folder / part, "w") as share:
            for name in sorted(name for name in source.namelist() if not name.endswith("/"))[::15]:
                share.writestr(name, source.read(name))
    return folder


@pytest.fixture(scope="session")
def toy() -> Dataset:
    """Eight easy classes a split, 20 noisy images each of a random 28 x 28 pattern."""
    generator = torch.Generator().manual_seed(0)

    def bank(split: str) -> ImageBank:
        patterns = torch.rand(8, 1, 1, 28, 28, generator=generator)
        noise = torch.rand(8, 20, 1, 28, 28, generator=generator)
        images = (255 * (0.6 * patterns + 0.4 * noise)).to(torch.uint8).flatten(0, 1)
        names = tuple(f"{split}{number}" for number in range(8))
        return ImageBank(f"toy/{split}", images, names, (20,) * 8, ("toy",) * 8)

    return Dataset("toy", "fixed", bank("train"), bank("validation"), bank("test"))
