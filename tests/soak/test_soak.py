"""Hours of sweeps, whose drivers and workers are killed at random: nothing may be lost, made twice, torn or other.

`METABENCH_SOAK_MINUTES=120 python -m pytest -m soak tests/soak -s` prints the counts (120 minutes unless that is set).
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from metabench.records.keys import record_digest
from metabench.records.reader import read_record
from metabench.records.record import RECORD_FILE, RunRecord
from metabench.sweep.store import Store

STUDY = """
learner: {{protonet: {{}}, finetune: {{}}, nearest: {{}}}}
ways: 3
queries: 3
seed: [{first}, {second}]
shots: [1, 2]
episodes: 8
validation_episodes: 4
device: cpu
threads: 1
options: {{backbone: "conv4:4", steps: 60}}
output: {output}
"""
RUNS = 12  # of such a study
EVERY = 6.0  # seconds between kills, in the mean
AT_WORK = 0.8  # of the drivers are let be until somebody is at work, however long that takes; others may not come to it
OF_DRIVERS = 0.25  # of the kills


@pytest.mark.soak
def test_hours_of_kills_lose_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("METABENCH_SOAK_SEED", "0"))
    until = time.monotonic() + 60 * float(os.environ.get("METABENCH_SOAK_MINUTES", "120"))
    counts: Counter[str] = Counter(lost=0, twice=0, differing=0, unreadable=0)
    number = 0
    while time.monotonic() < until:
        place = tmp_path / str(number)
        place.mkdir()
        (place / "study.yaml").write_text(STUDY.format(first=2 * number, second=2 * number + 1, output="killed"))
        counts += _with_kills(place, random.Random(1000 * seed + number))
        made = _records(place / "killed", counts)
        counts["runs"] += len(made)
        counts["lost"] += RUNS - len(made)
        if number % 5 == 0:
            counts["compared"] += len(made)
            counts["differing"] += _differing(place, made)
        number += 1
        print(json.dumps({"studies": number, **counts}), flush=True)
    assert counts["worker killed"]
    assert counts["driver killed"]
    assert {name: counts[name] for name in ("lost", "twice", "differing", "unreadable", "left")} == dict.fromkeys(
        ("lost", "twice", "differing", "unreadable", "left"), 0
    )


def _with_kills(place: Path, chance: random.Random) -> Counter[str]:
    """Start the driver until the study is made, and kill it, or one of its workers, now and then."""
    killed: Counter[str] = Counter()
    while True:
        driver = _driver(place)
        if chance.random() < AT_WORK:
            while driver.poll() is None and not _workers(place):
                time.sleep(0.1)
        while driver.poll() is None:
            try:
                driver.wait(chance.expovariate(1 / EVERY))
            except subprocess.TimeoutExpired:
                killed[_kill(driver, place, chance)] += 1
        if driver.returncode == 0:
            killed["left"] += len(_workers(place))
            return killed
        assert driver.returncode == -signal.SIGKILL, (place / "log.txt").read_text()


def _driver(place: Path, study: str = "study.yaml") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "metabench", "sweep", study, "--workers", "2", "--retries", "100"]
    with (place / "log.txt").open("ab") as log:
        return subprocess.Popen(command, cwd=place, stdout=log, stderr=log)


def _kill(driver: subprocess.Popen[bytes], place: Path, chance: random.Random) -> str:
    """The driver, or one of the processes that are at work; what became of it."""
    if chance.random() < OF_DRIVERS:
        driver.kill()
        driver.wait()
        return "driver killed"
    if not (workers := _workers(place)):
        return "nobody at work"
    try:
        chance.choice(workers).kill()
    except psutil.NoSuchProcess:
        return "worker gone"
    return "worker killed"


def _workers(place: Path) -> list[psutil.Process]:
    """The processes that make runs there: each leads a session of its own, as `metabench.sweep.worker` has it."""
    found = []
    for process in psutil.process_iter():
        try:
            if "forkserver" in " ".join(process.cmdline()) and Path(process.cwd()) == place:
                found += [process] if os.getsid(process.pid) == process.pid else []
        except (psutil.Error, OSError):
            continue
    return found


def _records(results: Path, counts: Counter[str]) -> dict[str, tuple[RunRecord, bytes]]:
    """Every record that reads, with its scores, by its digest."""
    made: dict[str, tuple[RunRecord, bytes]] = {}
    for path in sorted(results.rglob(RECORD_FILE)):
        try:
            record, _ = read_record(path)
            scores = (path.parent / "scores.csv").read_bytes()
        except Exception as error:
            print(f"{path}: {error}", flush=True)
            counts["unreadable"] += 1
            continue
        counts["twice"] += record_digest(record) in made
        made[record_digest(record)] = record, scores
    assert made.keys() == Store(results).done().keys()
    return made


def _differing(place: Path, made: dict[str, tuple[RunRecord, bytes]]) -> int:
    """How many records are other than those of the same study without kills."""
    study = (place / "study.yaml").read_text().replace("output: killed", "output: whole")
    (place / "whole.yaml").write_text(study)
    assert _driver(place, "whole.yaml").wait() == 0
    whole = _records(place / "whole", Counter())
    return sum(
        scores != whole[digest][1] or record.training.curve != whole[digest][0].training.curve
        for digest, (record, scores) in made.items()
    )
