"""`metabench new-learner`: what it writes is a package that installs, passes its tests, and runs."""

import configparser
import os
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from metabench.cli import new_learner
from metabench.cli.main import main
from tests.conftest import PROJECT

OFFLINE = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "mine"
    with pytest.raises(SystemExit) as ended:
        main(["new-learner", "class_mean", "--output", str(folder)])
    assert not ended.value.code
    return folder


def test_it_installs_passes_its_tests_and_the_check_by_its_name(package: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    subprocess.run([sys.executable, "-m", "pip", "install", *OFFLINE, "--target", site, package], check=True)
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{PROJECT}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=package)

    tests = run("pytest", "-q", "-p", "no:cacheprovider")
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert "2 passed" in tests.stdout
    report = run("metabench", "check", "class_mean")
    assert report.returncode == 0, report.stdout + report.stderr
    assert report.stdout.startswith("class_mean (class_mean:ClassMean)\n")
    assert "12 passed, 0 not applicable, 0 failed" in report.stdout
    again = run("metabench", "new-learner", "class_mean", "--output", tmp_path / "again")
    assert again.returncode == 2
    assert again.stderr == "metabench: learner 'class_mean' is registered already; choose another name\n"
    quick = ["--ways=3", "--shots=5", "--episodes=20", "--steps=20", "--validation-episodes=4", "--threads=1"]
    done = run("metabench", "run", "--learner", "class_mean", *quick, "--backbone=conv4:8", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("accuracy ")[1].split("%")[0]) > 50


def test_it_is_small_and_its_readme_has_the_commands(package: Path) -> None:
    made = {str(path.relative_to(package)) for path in package.rglob("*") if path.is_file()}
    assert made >= {"README.md", "class_mean.py", "pyproject.toml", "tests/test_class_mean.py"}
    assert len((package / "class_mean.py").read_text().splitlines()) <= 35
    readme = (package / "README.md").read_text()
    for command in ("pip install -e .", "metabench check class_mean", "metabench run --learner class_mean"):
        assert command in readme
    assert not [path for path in package.rglob("*.*") if path.is_file() and "$" in path.read_text(errors="ignore")]


def test_what_fails_half_way_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(new_learner, "FILES", {**new_learner.FILES, "no-such.txt": "last"})
    with pytest.raises(SystemExit) as ended:
        main(["new-learner", "class_mean"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("metabench: cannot write --output 'class_mean': No such file")
    assert not list(tmp_path.iterdir())


def test_the_templates_are_installed_with_the_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    patterns = setup["options.package_data"]["metabench"].split()
    for name in new_learner.FILES:
        assert any(fnmatch(f"cli/templates/{name}", pattern) for pattern in patterns)
