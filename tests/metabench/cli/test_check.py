"""`metabench check`: the contract, point by point."""

import re
from pathlib import Path

import pytest

from metabench.checks import POINTS
from metabench.cli.main import main

FAULTY = """
import sys
from baselines.metric.nearest import Nearest, Pixels
from baselines.metric.protonet import ProtoNet

class Peeking(Pixels):
    def predict(self, adapted, query):
        logits = super().predict(adapted, query)
        return logits - logits.mean(1, keepdim=True)

class Raising(Nearest):
    def predict(self, adapted, query):
        raise ValueError("of no use")  # line 13

class Unbuilt(Pixels):
    def __init__(self, problem, options):
        raise KeyError("size")

class Ending(ProtoNet):
    kinds = ("images",)

    def loss(self, episodes):
        sys.exit(3)

class Asking(Pixels):
    kinds = ("questions",)
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "of_faults.py").write_text(FAULTY)
    monkeypatch.syspath_prepend(str(tmp_path))


def checked(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[tuple[str, str], tuple[str, str]], str]:
    """The exit code, for each kind of data and point how it came out and why, and the last line."""
    with pytest.raises(SystemExit) as ended:
        main(["check", *words])
    head, *kinds, total = capsys.readouterr().out.strip().split("\n\n")
    assert head.startswith(f"{words[0]} (")
    found = {}
    for part in kinds:
        title, *_ = part.splitlines()
        for state, point, why in re.findall(r"  (passes|FAILS|does not apply) +(.+)(?:\n {18}(.+))?", part):
            found[title.removeprefix("on "), point] = (state, why)
    return int(ended.value.code or 0), found, total


def test_a_learner_that_keeps_the_contract_passes_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    code, found, total = checked(capsys, "nearest")
    assert code == 0
    names = ["it is built for a small problem", *(point.name for point in POINTS)]
    assert list(found) == [(kind, name) for kind in ("images", "text") for name in names]
    exempt = {"it is no EmbeddingLearner", "it has no training"}
    assert {why for state, why in found.values() if state != "passes"} == exempt
    assert (
        total == f"{2 * len(names)} points on 2 kinds of data: {2 * len(names) - 4} passed, 4 not applicable, 0 failed"
    )


def test_options_change_what_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    point = "classify is embed, item by item, and classify_features"
    options = ["--set", "scope=all", "--set", "tuning-steps=1", "--set", "tuning_batch=none"]
    code, found, _ = checked(capsys, "finetune", *options)
    assert code == 0
    assert found["images", point] == ("does not apply", "its classify does more (frozen_embedding)")


@pytest.mark.usefixtures("faulty")
def test_a_broken_point_fails_with_its_complaint_and_the_others_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    code, found, total = checked(capsys, "of_faults:Peeking")
    assert code == 1
    failed = {point: why for (_, point), (state, why) in found.items() if state == "FAILS"}
    assert list(failed) == ["a query's prediction does not depend on the other queries"]
    assert "and the learner is not declared transductive (`transductive = True`)" in next(iter(failed.values()))
    assert total == "12 points on 1 kind of data: 9 passed, 2 not applicable, 1 failed"


@pytest.mark.usefixtures("faulty")
def test_what_a_learner_raises_is_a_line_that_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    code, found, _ = checked(capsys, "of_faults:Raising")
    assert code == 1
    shape = "classify gives finite logits [B, Q, N]"
    for kind in ("images", "text"):
        why = "failed in predict (of_faults.py, line 13): ValueError: of no use"
        assert found[kind, shape] == ("FAILS", why)
        rest = [result for (other, _), result in found.items() if other == kind][3:]
        assert set(rest) == {("does not apply", f"it cannot be asked until this holds: {shape}")}
    assert checked(capsys, "of_faults:Unbuilt")[1] == {
        ("images", "it is built for a small problem"): (
            "FAILS",
            "failed in __init__ (of_faults.py, line 17): KeyError: 'size'",
        )
    }
    code, found, _ = checked(capsys, "of_faults:Ending")
    assert code == 1
    why = "failed in loss (of_faults.py, line 23): it ended the program (sys.exit(3))"
    assert [each for each in found.values() if each[0] == "FAILS"] == [("FAILS", why)]


@pytest.mark.usefixtures("faulty")
def test_a_learner_of_data_that_has_no_checks_does_not_pass(capsys: pytest.CaptureFixture[str]) -> None:
    code, found, _ = checked(capsys, "of_faults:Asking")
    assert code == 1
    assert "it declares ('questions',) and no regression" in next(iter(found.values()))[1]


@pytest.mark.usefixtures("faulty")
def test_the_traceback_is_shown_on_demand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for learner, asked, shown in (("Unbuilt", "", False), ("Unbuilt", "1", True), ("Peeking", "1", False)):
        monkeypatch.setenv("METABENCH_TRACEBACK", asked)
        with pytest.raises(SystemExit):
            main(["check", f"of_faults:{learner}"])
        assert ("Traceback" in capsys.readouterr().err) == shown
