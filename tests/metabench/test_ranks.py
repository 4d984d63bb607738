"""Runs of several ranks, by real processes that talk through gloo."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

import metabench
from metabench import ranks
from metabench.records.record import RunRecord
from tests.conftest import PROJECT
from tests.made_ranks import end, start

SMALL: dict[str, Any] = {"ways": 3, "shots": 1, "queries": 2, "episodes": 40, "validation_episodes": 5, "threads": 1}
SMALL |= {"output": "."}
NETWORK = {"backbone": "conv4:8", "steps": 10}
RUNS: dict[str, dict[str, Any]] = {
    "maml": {**NETWORK, "meta_batch": 3},  # which two ranks cannot halve
    "protonet": {**NETWORK, "train_ways": 5},
    "finetune": {**NETWORK, "batch_size": 8},
    "nearest": {},
}
INTERRUPTED: dict[str, Any] = {"learner": "maml", "seed": 1, **SMALL, "options": {**NETWORK, "steps": 60}}
UNTIL: dict[str, Any] = {"learner": "nearest", "seed": 2, **SMALL, "episodes": 800, "until_interval": 2.0}

# Every run in one pair of processes, one after another, then one that a signal to the second rank alone interrupts.
SCRIPT = """
import json, os, signal, sys, threading, time
from pathlib import Path
import metabench
from metabench import ranks
from metabench.errors import InterruptionError, OtherRankError

def stop_at_checkpoint():
    while not list(Path(".").glob("*seed1/checkpoint.pt")):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)

*complete, interrupted = json.loads(sys.argv[1])
for settings in complete:
    metabench.run(**settings)
if os.environ["RANK"] == "1":
    threading.Thread(target=stop_at_checkpoint, daemon=True).start()
try:
    metabench.run(**interrupted)
except (InterruptionError, OtherRankError) as error:
    print(type(error).__name__, error)
assert ranks.count() == 1
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in which relative names of folders begin."""
    before, folder = Path.cwd(), tmp_path_factory.mktemp("one")
    os.chdir(folder)
    threads = torch.get_num_threads()
    yield folder
    torch.set_num_threads(threads)
    os.chdir(before)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, str, str]]]:
    """The folder with the runs of two ranks, and what the ranks have said."""
    folder = tmp_path_factory.mktemp("two")
    settings = [{"learner": name, **SMALL, "options": options} for name, options in RUNS.items()]
    return folder, end(start(folder, 2, json.dumps([*settings, UNTIL, INTERRUPTED]), code=SCRIPT))


def read(folder: Path, name: str) -> tuple[dict[str, Any], Path]:
    (run,) = folder.glob(name)
    return json.loads((run / "record.json").read_text()), run


def check_same(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Whether two records have the same values, but for times, memory, and where they were made."""
    for name in ("config", "dataset", "changed_options", "floors", "companions", "predictions", "contract"):
        assert one[name] == two[name]
    measured = {"task_milliseconds", "task_megabytes"}
    assert one["score"].keys() == two["score"].keys()
    for name in one["score"].keys() - measured:
        value = one["score"][name]
        assert two["score"][name] == (pytest.approx(value, abs=1e-6) if isinstance(value, float) else value)
    first, second = one["training"], two["training"]
    for name in ("images", "multiply_adds"):
        assert first[name] == second[name]
    assert first["best"].keys() == second["best"].keys()
    for name, best in first["best"].items():
        assert second["best"][name] == pytest.approx(best, abs=1e-6)
    for row, other in zip(first["curve"], second["curve"], strict=True):
        assert other.pop("stage") == row.pop("stage")
        assert other == pytest.approx(row, abs=1e-6)


@pytest.mark.parametrize("learner", RUNS)
def test_two_ranks_give_the_values_of_one_process(
    learner: str, here: Path, two: tuple[Path, list[tuple[int, str, str]]]
) -> None:
    metabench.run(learner=learner, **SMALL, options=RUNS[learner])
    one, alone = read(here, f"*-{learner}-seed0")
    both, shared = read(two[0], f"*-{learner}-seed0")
    check_same(one, both)
    assert (alone / "predictions.parquet").read_bytes() == (shared / "predictions.parquet").read_bytes()
    scores = (pd.read_csv(folder / "scores.csv") for folder in (alone, shared))
    pd.testing.assert_frame_equal(*scores, atol=1e-6)
    assert len(one["environment"]["ranks"]) == 1
    assert len(both["environment"]["ranks"]) == 2
    before, after = (torch.load(folder / "learner.pt", weights_only=True)["learner"] for folder in (alone, shared))
    for name, value in before.items():
        torch.testing.assert_close(after[name], value, rtol=0, atol=1e-6)


def test_tasks_until_an_interval_are_as_many(here: Path, two: tuple[Path, list[tuple[int, str, str]]]) -> None:
    record = metabench.run(**UNTIL)
    assert 200 < record.config.test.episodes < 800  # more than the first stage, fewer than the most
    check_same(read(here, "*-nearest-seed2")[0], read(two[0], "*-nearest-seed2")[0])


def test_only_the_first_rank_speaks_and_writes(two: tuple[Path, list[tuple[int, str, str]]]) -> None:
    folder, ((code, said, noted), (other_code, other_said, other_noted)) = two
    assert (code, other_code) == (0, 0), noted + other_noted
    assert other_noted == ""
    names = [path.name for path in folder.iterdir()]
    assert len(names) == len(RUNS) + 2
    assert not [name for name in names if name.endswith("-2")]
    whole = [line for line in noted.splitlines() if "trains stage" in line]
    assert [line.split("'")[1] for line in whole] == ["train", "pre-train"]  # protonet's and finetune's
    assert said.startswith("InterruptionError stopped on another rank at step ")
    assert said.strip().endswith("keeps it: the same command with --resume goes on")
    assert other_said.startswith("OtherRankError ")


def test_one_process_goes_on_where_two_ranks_stopped(here: Path, two: tuple[Path, list[tuple[int, str, str]]]) -> None:
    check_resumed(INTERRUPTED, two[0], here)


@pytest.mark.slow
def test_two_ranks_go_on_where_one_process_stopped(here: Path, tmp_path: Path) -> None:
    ((code, said, noted),) = end(start(tmp_path, 1, json.dumps([INTERRUPTED]), code=SCRIPT.replace('"1"', '"0"')))
    assert code == 0, noted
    assert said.startswith("InterruptionError stopped by SIGTERM at step ")
    resume = "import json, sys, metabench; metabench.run(**json.loads(sys.argv[1]), resume=True)"
    assert [code for code, *_ in end(start(tmp_path, 2, json.dumps(INTERRUPTED), code=resume))] == [0, 0]
    resumed, _ = read(tmp_path, "*-maml-seed1")
    assert len(resumed["environment"]["ranks"]) == 2
    check_same(as_json(metabench.run(**INTERRUPTED)), resumed)


def check_resumed(settings: dict[str, Any], interrupted: Path, elsewhere: Path) -> None:
    os.chdir(interrupted)
    resumed = metabench.run(**settings, resume=True)
    os.chdir(elsewhere)
    whole = metabench.run(**settings)
    check_same(as_json(whole), as_json(resumed))


def as_json(record: RunRecord) -> dict[str, Any]:
    return json.loads(record.model_dump_json())


FAILING = """
import os, signal
from metabench.errors import RunError
from baselines.gradient.maml import MAML

class Failing(MAML):
    def loss(self, episodes):
        if os.environ["RANK"] == "1":
            self.{act}()
        return super().loss(episodes)

    def fail(self):
        raise RunError("this is the second rank's own error")

    def vanish(self):
        os.kill(os.getpid(), signal.SIGKILL)
"""
WORDS = (
    "run",
    "--learner",
    "failing:Failing",
    "--ways",
    "3",
    "--queries",
    "2",
    "--backbone",
    "conv4:8",
    "--steps",
    "9",
)


@pytest.mark.slow
def test_a_rank_that_fails_ends_all_with_its_line(tmp_path: Path) -> None:
    """By torchrun itself, whose own report comes after."""
    (tmp_path / "failing.py").write_text(FAILING.format(act="fail"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "-m", "metabench", *WORDS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("metabench: ")]
    assert lines == ["metabench: rank 1: this is the second rank's own error"]
    assert done.stdout == ""
    assert not list(tmp_path.glob("results/*/record.json"))


@pytest.mark.slow
def test_a_rank_that_vanishes_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "failing.py").write_text(FAILING.format(act="vanish"))
    (code, said, noted), (other_code, _, _) = end(start(tmp_path, 2, *WORDS))
    assert (code, other_code) == (1, -9)
    (line,) = noted.splitlines()
    assert line.startswith("metabench: another rank has ended (")
    assert line.endswith("; nothing is kept, as there is no checkpoint yet")
    assert said == ""


@pytest.mark.slow
def test_other_commands_are_one_process(tmp_path: Path) -> None:
    (code, _, noted), (other_code, _, other_noted) = end(start(tmp_path, 2, "leaderboard"))
    assert (code, other_code) == (2, 2)
    assert noted == "metabench: leaderboard is one process, and torchrun starts several; only run takes them\n"
    assert other_noted == ""


def test_shares_are_whole_blocks_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for count in (1, 2, 3, 7):
        monkeypatch.setattr("metabench.ranks.count", lambda count=count: count)
        for items, block in ((range(5, 40), 16), (range(3), 1), (range(0), 4), (range(64), 16)):
            parts = []
            for rank in range(count):
                monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
                parts.append(ranks.share(items, block))
            assert [each for part in parts for each in part] == list(items)
            assert all((part.start - items.start) % block == 0 for part in parts if part)
            blocks = -(-len(items) // block)
            assert max(map(len, parts)) <= -(-blocks // count) * block
