"""What a stage says, with a clock that a test moves."""

import pytest

from episodes import Dataset, FixedTask
from episodes.sampling.sampler import EpisodeSampler
from metabench.evaluation import progress
from metabench.evaluation.loop import predict_episodes
from metabench.evaluation.progress import Progress
from metabench.learner import Problem
from metabench.registry import get_learner


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def stage(clock: list[float], steps: int, seconds: float, done: int) -> None:
    with Progress("meta-train", 0, steps) as shown:
        for _ in range(done):
            clock[0] += seconds
            shown.step()


def test_a_long_stage_says_so_beforehand(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """1,000 steps of 70 s are 19.4 hours, the first three of them done."""
    stage(clock, 1000, 70, 3)
    said = capsys.readouterr().err.splitlines()
    assert said[-2].startswith("metabench: 'meta-train' takes about 19 hours (70 s per step); fewer --steps, ")
    stage(clock, 100, 1, 50)
    assert "takes about" not in capsys.readouterr().err


def test_without_a_terminal_there_is_a_line_a_minute(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("train", 20, 320) as shown:
        for step in range(300):
            clock[0] += 1
            shown.step()
            if step == 99:
                shown.validated(1.25, "83.10%")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[0] == "metabench: train: step 81 of 320, about 4 min left"
    assert lines[1] == "metabench: train: step 142 of 320, loss 1.250, validation 83.10%, about 3 min left"


def test_scoring_says_how_far_it_is(
    clock: list[float], capsys: pytest.CaptureFixture[str], glyphs: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY", -1.0)
    task = FixedTask(5, 1, 15)
    kind = get_learner("nearest")
    learner, source = kind(Problem((1, 28, 28), 5, task), kind.Options()), EpisodeSampler(glyphs.test, task, 0)
    predict_episodes(learner, source, 40, "test learner")
    assert capsys.readouterr().err.splitlines()[-1] == "metabench: test learner: task 40 of 40, about 0 s left"
    predict_episodes(learner, source, 40)
    assert not capsys.readouterr().err
