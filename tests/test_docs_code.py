"""The Python in the pages runs."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from metabench.backbone import build_backbone, feature_size
from metabench.checks import check_learner
from metabench.cli.main import main
from tests.conftest import PROJECT


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (PROJECT / "docs" / page).read_text(encoding="utf-8"), re.S)


def module(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    exec(compile(code, f"{name}.py", "exec"), vars(made))
    return made


def test_the_learners_of_the_page_keep_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    nearest, trained, source, check = blocks("plugins.md")
    page = module("page_trained", trained + source, monkeypatch)
    check_learner(page.MyProtoNet, backbone="conv4:4")
    assert page.MyProtoNet.source.papers[0].short == "Snell et al. 2017"
    module("nearest_shot", nearest, monkeypatch)
    module("page_check", check, monkeypatch).test_contract()


def test_the_report_of_the_page_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module("nearest_shot", blocks("plugins.md")[0], monkeypatch)
    with pytest.raises(SystemExit) as ended:
        main(["check", "nearest_shot:NearestShot"])
    assert not ended.value.code
    assert f"```text\n{capsys.readouterr().out}```" in (PROJECT / "docs" / "plugins.md").read_text(encoding="utf-8")


def test_the_backbone_of_the_page_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("backbones.md")
    module("mine", code, monkeypatch)
    network = build_backbone("mine:tiny:6", (3, 20, 30))
    assert feature_size(network, (3, 20, 30)) == 6


@pytest.mark.slow
def test_the_page_of_calls_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    dataset = [(Image.fromarray(image), number // 20) for number, image in enumerate(images)]
    (tmp_path / "mine").mkdir()
    for name, image in zip(("circle1", "circle2", "cross1", "new1", "new2"), images, strict=False):
        Image.fromarray(image).save(tmp_path / "mine" / f"{name}.png")
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    vars(page)["dataset"] = dataset
    for code in blocks("python.md"):
        exec(compile(code, "page.py", "exec"), vars(page))
    assert page.batch.query.shape == (32, 75, 1, 28, 28)
    assert page.batch.support.dtype == torch.uint8
    assert {"protonet", "page:Pixels"} <= set(page.table["learner"])
    assert len(page.pairs) == 40
    assert set(page.answers["prediction"]) <= {"circle", "cross"}
