"""Scripts of the shape of torchmeta's own examples run when their import lines say episodes.torchmeta."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

SCRIPTS = Path(__file__).parent / "scripts"


def main_of(name: str) -> Callable[[list[str]], list[float]]:
    """The script's `main`; of its text only the import lines are changed."""
    text = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
    changed, lines = re.subn(r"(?m)^from torchmeta\.", "from episodes.torchmeta.", text)
    assert lines >= 3
    script: dict[str, Any] = {"__name__": name}
    exec(compile(changed, name, "exec"), script)
    random.seed(0)
    torch.manual_seed(0)
    return script["main"]  # type: ignore[no-any-return]


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_protonet_learns_omniglot(downloads: Path) -> None:
    accuracies = main_of("protonet")([str(downloads)])
    assert len(accuracies) == 25
    assert mean(accuracies[-5:]) > max(0.6, mean(accuracies[:2]) + 0.1)  # chance is 0.2


def test_maml_learns_omniglot(downloads: Path) -> None:
    accuracies = main_of("maml")([str(downloads)])
    assert mean(accuracies[-5:]) > max(0.6, mean(accuracies[:2]) + 0.1)  # chance is 0.33


def test_maml_learns_sine_waves() -> None:
    losses = main_of("sinusoid")([])
    assert mean(losses[-30:]) < 0.75 * mean(losses[:30])
