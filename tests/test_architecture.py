"""Format, lint, spelling, import contracts, types and docs: what CI checks, `pytest` checks."""

import configparser
import os
import subprocess
import sys
from pathlib import Path

import yaml

from tests.conftest import PROJECT

BIN = Path(sys.executable).parent


def test_the_checks_pass(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "SITE": str(tmp_path)}
    done = subprocess.run([PROJECT / "scripts" / "check"], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "pitfalls.html").exists()


def test_the_hook_before_a_commit_is_the_same() -> None:
    hooks = yaml.safe_load((PROJECT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [hook["entry"] for repo in hooks for hook in repo["hooks"]] == ["scripts/check"]


def test_the_top_has_few_files() -> None:
    assert len(list((PROJECT / "metabench").glob("*.py"))) <= 14


def test_every_package_is_installed_and_nothing_else() -> None:
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg", encoding="utf-8")
    listed = set(setup["options"]["packages"].split())
    found = {
        ".".join(file.parent.relative_to(PROJECT).parts)
        for top in ("baselines", "episodes", "metabench")
        for file in (PROJECT / top).rglob("__init__.py")
    }
    made = {"metabench.reference_records"}  # by the build, of results/reference
    assert listed == found | made
