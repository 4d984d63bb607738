"""Signals and standard streams, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metabench.training.signals import Stop
from tests.conftest import PROJECT
from tests.made_records import write_run

RUN = ["run", "--ways", "3", "--shots", "1", "--queries", "2", "--backbone", "conv4:4", "--steps", "3000"]
RUN += ["--episodes", "4", "--validation-episodes", "2", "--threads", "1", "--set", "train_ways=5"]
SLOW = """
import time
from metabench.learner import Stage
from baselines.metric.protonet import ProtoNet

class Slow(ProtoNet):
    def loss(self, episodes):
        for _ in range(600):  # as many small operations in a row as MAML's inner steps, a minute in all
            time.sleep(0.1)
        return super().loss(episodes)
"""


@contextmanager
def started(folder: Path, *words: str, **more: Any) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", "from metabench.cli.main import main; main()", *words]
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(PROJECT)}, stderr=subprocess.PIPE, text=True, **more
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for(found: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("name", "said"),
    [("SIGTERM", "stopped by SIGTERM"), pytest.param("SIGHUP", "stopped by SIGHUP", marks=pytest.mark.slow)],
)
def test_a_run_that_is_told_to_stop_keeps_the_step(name: str, said: str, tmp_path: Path) -> None:
    with started(tmp_path, *RUN) as process:
        wait_for(lambda: list(tmp_path.glob("results/*/checkpoint.pt")))
        process.send_signal(getattr(signal, name))
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    (line,) = error.splitlines()
    assert line.startswith(f"metabench: {said} at step ")
    assert line.endswith("checkpoint.pt' keeps it: the same command with --resume goes on")


def test_four_interruptions_are_one_line(tmp_path: Path) -> None:
    with started(tmp_path, *RUN) as process:
        wait_for(lambda: list(tmp_path.glob("results/*/checkpoint.pt")))
        for _ in range(4):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    (line,) = error.splitlines()
    assert line.startswith("metabench: interrupted")
    assert "keeps it" in line


def test_within_a_long_step_it_takes_seconds(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with started(tmp_path, *RUN, "--learner", "slow:Slow") as process:
        wait_for(lambda: list(tmp_path.glob("results/*/.lock")))
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        error = process.communicate(timeout=60)[1]
    assert time.monotonic() - began < 20  # of a minute; PATIENCE is two seconds
    assert error.splitlines() == ["metabench: interrupted; nothing is kept, as there is no checkpoint yet"]


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with Stop() as outer, Stop() as inner:
        assert inner is outer
        assert signal.getsignal(signal.SIGTERM) != before[1]
        with pytest.raises(KeyboardInterrupt, match="stopped by SIGTERM"):
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)  # a further one is ignored
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_where_steps_are_waited_for_the_first_is_noted_and_the_second_stops() -> None:
    with Stop().graceful() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.asked == "interrupted"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def interrupted_late(stop: Stop) -> None:
    with stop.graceful():
        signal.raise_signal(signal.SIGINT)  # and the loop looks no more


def stopped_as_asked(stop: Stop) -> None:
    with stop.graceful():
        signal.raise_signal(signal.SIGINT)
        raise RuntimeError("stopped at step 3")


def test_a_wish_that_no_step_has_seen_is_not_lost() -> None:
    with Stop() as stop, pytest.raises(KeyboardInterrupt, match="interrupted"):
        interrupted_late(stop)


def test_what_a_stop_says_is_not_cut_short_by_further_signals() -> None:
    with Stop() as stop:
        with pytest.raises(RuntimeError, match="stopped at step 3"):
            stopped_as_asked(stop)
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)


def test_signals_are_still_handled_after_a_stage() -> None:
    """As between two stages and while a learner is scored."""
    with Stop() as stop:
        with stop.graceful():
            pass
        with pytest.raises(KeyboardInterrupt, match="stopped by SIGTERM"):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def shell(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    program = f"{sys.executable} -c 'from metabench.cli.main import main; main()'"
    env = {**os.environ, "PYTHONPATH": str(PROJECT), **environment}
    return subprocess.run(
        ["bash", "-c", script.replace("METABENCH", program)], cwd=folder, env=env, capture_output=True
    )


@pytest.mark.parametrize(
    ("script", "code", "said"),
    [
        ("METABENCH --help > /dev/full", 1, b"metabench: cannot write to standard output: No space left on"),
        ("METABENCH --help 2>&-", 0, b""),
        ("METABENCH --help >&-", 0, b""),
        ("METABENCH list learners >&- 2>&- <&-", 0, b""),
        ("METABENCH nothing 2>&-", 2, b""),
        ("METABENCH nothing 2> /dev/full", 2, b""),
        ("METABENCH > /dev/full", 1, b"metabench: cannot write to standard output: No space left on"),
    ],
)
def test_a_closed_or_full_stream_is_no_traceback(script: str, code: int, said: bytes, tmp_path: Path) -> None:
    done = shell(tmp_path, script)
    assert done.returncode == code, done
    assert done.stderr.startswith(said) if said else done.stderr == b""
    assert done.stderr.count(b"\n") <= 1


@pytest.mark.parametrize("words", [[], ["--help"], ["data"], ["run", "--help"], ["list", "learners"]])
def test_a_reader_that_has_left_ends_a_command_as_its_signal_would(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-m", "metabench", *words], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


def test_a_run_without_standard_error_is_a_run(tmp_path: Path) -> None:
    words = " ".join(RUN).replace("3000", "2")
    assert shell(tmp_path, f"METABENCH {words} 2>&-").returncode == 0
    assert list(tmp_path.glob("results/*/record.json"))
    full = shell(tmp_path, f"METABENCH {words} > /dev/full")
    assert full.returncode == 1
    assert b"files and records are not affected" in full.stderr
    assert len(list(tmp_path.glob("results/*/record.json"))) == 2


@pytest.mark.parametrize("encoding", [pytest.param("cp1252", marks=pytest.mark.slow), "ascii", "utf-8"])
def test_a_name_that_the_terminal_cannot_show_is_escaped(encoding: str, tmp_path: Path) -> None:
    done = shell(tmp_path, "METABENCH list кошка; METABENCH leaderboard --results кошка", PYTHONIOENCODING=encoding)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize("target", ["link", "pipe", "/dev/stdout"])
def test_a_table_goes_where_it_is_told(target: str, tmp_path: Path) -> None:
    write_run(tmp_path / "results" / "one", np.array([0.5, 0.75]))
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "real.csv").chmod(0o600)
    (tmp_path / "link").symlink_to("real.csv")
    os.mkfifo(tmp_path / "pipe")
    reader = "cat pipe > read.csv & " if target == "pipe" else ""
    done = shell(tmp_path, f"{reader} METABENCH leaderboard --csv {target}; wait")
    assert done.returncode == 0, done
    text = {"link": tmp_path / "real.csv", "pipe": tmp_path / "read.csv"}.get(target)
    assert (text.read_bytes() if text else done.stdout).count(b"schema_version") == 1
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600


def test_a_table_to_a_pipe_whose_reader_leaves_is_no_error(tmp_path: Path) -> None:
    for seed in range(40):  # far more than a pipe holds
        write_run(tmp_path / f"run{seed}", np.full(200, 0.5) + 0.001 * seed, learner="x" * 3000, seed=seed)
    done = shell(tmp_path, "METABENCH leaderboard --results . --csv /dev/stdout | true; exit ${PIPESTATUS[0]}")
    assert done.returncode == 141
    assert done.stderr == b""
