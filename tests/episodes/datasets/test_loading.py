import sys
from types import ModuleType
from typing import Any

import pytest

from episodes.dataset import DataOptions
from episodes.datasets import find, load, loading_once
from episodes.errors import DataError


def test_within_loading_once_a_dataset_is_read_once_for_the_same_options() -> None:
    with loading_once():
        first = load("glyphs")
        assert load("glyphs", DataOptions()) is first
        assert load("glyphs", DataOptions(image_size=32)) is not first
    assert load("glyphs") is not first


class Broken:
    """A dataset of another package, whose `load` does what it is told."""

    def __init__(self, work: Any) -> None:
        self.work = work

    def load(self, name: str, options: DataOptions) -> object:
        return self.work()

    find = load


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (lambda: sys.exit(0), "failed: SystemExit: 0"),
        (lambda: {}["a"], "failed: KeyError: 'a'"),
        (lambda: None, "is invalid: its load gives NoneType, not episodes.Dataset"),
    ],
)
def test_whatever_another_packages_dataset_does_is_one_line(
    work: Any, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("made")
    Broken.__module__ = "made"
    module.broken = Broken(work)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "made", module)
    with pytest.raises(DataError) as caught:
        load("made:broken")
    assert str(caught.value).startswith(f"dataset 'made:broken' {said}")
    if "failed" in said:
        with pytest.raises(DataError, match="dataset 'made:broken' failed"):
            find("made:broken", DataOptions())
