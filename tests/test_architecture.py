"""Format, lint, types and import contracts: what CI holds, `pytest` holds."""

import configparser
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "command",
    [["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"], ["lint-imports"]],
    ids=["lint", "format", "types", "imports"],
)
def test_checks(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


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
