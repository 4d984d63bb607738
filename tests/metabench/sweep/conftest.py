import shutil
import sys
from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with the faulty learner in it."""
    shutil.copy(Path(__file__).with_name("faulty.py"), tmp_path / "faulty.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "faulty", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path
