"""The plug-in road, with real installed packages."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import metabench
from episodes import DataError
from episodes.plugins import plugin_names
from metabench.checks import check_learner
from metabench.cli import learners
from metabench.errors import UsageError
from metabench.registry import get_learner, learner_names
from tests.conftest import PROJECT

PLUGIN = PROJECT / "tests" / "plugin"


def install(source: Path, target: Path) -> None:
    """With pip, into a folder of its own; offline, as everything that it builds with is here."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "--target", target, source], check=True)


def write_package(folder: Path, name: str, entry_point: str, module: str, code: str) -> Path:
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        f'[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        f'[project]\nname = "{name}"\nversion = "1"\n'
        f'[project.entry-points."metabench.learners"]\n{entry_point}\n'
        f'[tool.setuptools]\npy-modules = ["{module}"]\n'
    )
    (folder / f"{module}.py").write_text(code)
    return folder


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: the example plug-in, a broken one, and one that takes a taken name."""
    base = tmp_path_factory.mktemp("plugins")
    copy = base / "nearest"
    copy.mkdir()
    for file in PLUGIN.glob("*.*"):
        (copy / file.name).write_bytes(file.read_bytes())
    broken = write_package(
        base / "broken", "broken-plugin", 'cracked = "cracked:Cracked"', "cracked", "import no_such_package"
    )
    rival = write_package(base / "rival", "rival-plugin", 'maml = "rival:MAML"', "rival", "class MAML: pass")
    for source in (copy, broken, rival):
        install(source, base / "site")
    return base / "site"


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))


@pytest.mark.usefixtures("installed")
def test_an_installed_plug_in_is_found_and_keeps_the_contract() -> None:
    assert "nearest-shot" in learner_names()
    check_learner(get_learner("nearest-shot"))


def test_it_runs_from_the_command_line_and_beats_chance(site: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "metabench", "run", "--learner", "nearest-shot", "--ways", "3"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [*command, "--shots", "5", "--episodes", "100", "--output", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nearest-shot on glyphs, 3-way 5-shot: accuracy ")
    assert float(done.stdout.split("accuracy ")[1].split("%")[0]) > 45


@pytest.mark.usefixtures("installed")
def test_a_broken_plug_in_is_named_when_asked_for_and_harms_nothing_else() -> None:
    with pytest.raises(UsageError, match=r"learner 'cracked' of package 'broken-plugin' cannot be imported: .*no_such"):
        get_learner("cracked")
    assert get_learner("protonet").__name__ == "ProtoNet"
    listed = learners.by_family()
    broken = listed[listed.index("\nbroken\n") :]
    assert re.search(r"\n  cracked +learner 'cracked' of package 'broken-plugin' cannot be imported: ", broken)
    assert re.search(r"\n  maml +learner 'maml' is registered more than once", broken)
    own = r"\nother\n  nearest-shot +1-nearest-neighbour on raw pixels \(Cover and Hart 1967\)\.\nbroken\n"
    assert re.search(own, listed)
    assert re.search(r"\n  protonet +Classify by the nearest class mean", listed)


@pytest.mark.usefixtures("installed")
def test_a_name_taken_twice_is_refused_with_both_owners() -> None:
    with pytest.raises(
        UsageError,
        match=r"registered more than once \(baselines.gradient.maml:MAML of metabench, rival:MAML of rival-plugin\)",
    ):
        get_learner("maml")


def test_shipped_learners_are_registered_as_anyones_are() -> None:
    assert {"protonet", "maml", "finetune", "distill"} <= set(learner_names())


def test_module_and_class_need_no_registration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_learner("baselines.metric.protonet:ProtoNet") is get_learner("protonet")
    (tmp_path / "my_own.py").write_text(
        "from baselines.metric.protonet import ProtoNet\nclass Mine(ProtoNet): 'Mine.'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert get_learner("my_own:Mine").__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "protonett",
            r"there is no learner 'protonett'; did you mean 'protonet'\?$",
        ),
        ("baselines.metric.protonet:ProtoNets", "cannot be imported: AttributeError: .*ProtoNets"),
        ("no_such_module:X", "learner 'no_such_module:X' cannot be imported: ModuleNotFoundError"),
        ("protonett:X", "cannot be imported: .* No module named 'protonett'; did you mean 'protonet'"),
        ("metabench.config:RunConfig", "which is not a subclass of metabench.learner.Learner"),
    ],
)
def test_wrong_names_are_explained(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        get_learner(name)


ADAPTER = """
from baselines.metric.protonet import ProtoNet

class Whole:
    @staticmethod
    def learner_names():
        return ["means"]

    @staticmethod
    def get_learner(name):
        return {"means": ProtoNet, "number": 3, "yes": type("Yes", (ProtoNet,), {"transductive": "no"})}[name]

half = Whole.learner_names
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole:number", r"^learner 'whole:number' is 3, which is not a subclass of metabench.learner.Learner$"),
        ("whole:yes", r"^learner 'whole:yes': its transductive is 'no'; give True or False$"),
        ("whole:mean", r"^learner 'whole:mean' cannot be made: KeyError: 'mean'$"),
        ("half:means", r"^adapter 'half' of package 'many-methods' has no learner_names\(\) and get_learner\(name\)$"),
    ],
)
def test_a_package_of_many_methods_registers_a_prefix(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "many_methods-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: many-methods\nVersion: 1\n")
    (about / "entry_points.txt").write_text(
        "[metabench.adapters]\nwhole = many_methods:Whole\nhalf = many_methods:half\n"
    )
    (tmp_path / "many_methods.py").write_text(ADAPTER)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert get_learner("whole:means") is get_learner("protonet")
    assert "\nother packages, as whole:NAME\n  means\n" in learners.by_family()
    with pytest.raises(UsageError, match=message):
        get_learner(name)


MINE = """
import torch
from torch import nn
from episodes import Dataset, ImageBank
from metabench.backbone import Layers
from tests.conftest import PROJECT

def flat(shape, norm, width):
    return Layers(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], width))

not_a_function = 3

class Squares:
    @staticmethod
    def load(name, options):
        images = torch.randint(256, (60, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        parts = [tuple(f"{part}{number}" for number in range(3)) for part in "abc"]
        return Dataset(name, "own", *(ImageBank(f"{name}/{part[0]}", images, part, (20,) * 3, part) for part in parts))
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_and_only.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


@pytest.mark.usefixtures("mine")
def test_backbones_and_datasets_need_no_registration_either(tmp_path: Path) -> None:
    settings = {"ways": 3, "shots": 1, "queries": 5, "episodes": 10, "validation_episodes": 2, "output": tmp_path}
    options = {"backbone": "mine_and_only:flat:32", "steps": 2, "train_ways": 3}
    record = metabench.run(dataset="mine_and_only:Squares", options=options, **settings)
    assert record.dataset.name == "mine_and_only:Squares"
    assert record.score.parameters == 16 * 16 * 32 + 32
    assert set(record.floors) == {"chance", "pixels", "random network"}


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"options": {"backbone": "mine_and_only:not_a_function"}},
            r"is of type int, not a function \(shape, norm, width\)",
        ),
        ({"options": {"backbone": "mine_and_only:flat:wide"}}, "asks for a width of 'wide'; give an even number"),
        ({"options": {"backbone": "no_such:flat"}}, "backbone 'no_such:flat' cannot be imported: ModuleNotFoundError"),
        ({"dataset": "mine_and_only:flat"}, r"dataset 'mine_and_only:flat' has no load\(name, options\)"),
        ({"dataset": "folder"}, "there is no dataset 'folder'; did you mean 'folder:PATH'?"),
        ({"dataset": "glyphs:x"}, "there is no dataset 'glyphs:x'; did you mean 'glyphs'?"),
        ({"dataset": "glpyhs"}, "there is no dataset 'glpyhs'; did you mean 'glyphs'?"),
    ],
)
def test_those_that_do_not_fit_are_explained(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, DataError), match=message):
        metabench.run(**settings, output=tmp_path / "results")


def test_names_are_listed_without_an_import() -> None:
    code = (
        "import sys; from metabench.backbone import backbone_names; from episodes.datasets import dataset_names;"
        "assert 'glyphs' in dataset_names() and 'conv4' in backbone_names();"
        "print([name for name in sys.modules if name.startswith(('baselines', 'episodes.datasets.images'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_package_that_is_installed_meanwhile_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "late" not in plugin_names("episodes.datasets")
    about = tmp_path / "late-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[episodes.datasets]\nlate = late\n")
    os.utime(tmp_path, ns=(1, 1))  # on a coarse clock the folder may have changed within one tick
    assert "late" in plugin_names("episodes.datasets")
