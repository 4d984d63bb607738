"""Sweeps by Ray, with a real cluster: the same records, whatever happens to machines, runs and drivers."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
import torch

import metabench
from metabench.cli.main import main
from metabench.errors import UsageError
from metabench.experiment.runner import run_config
from metabench.records.selection import Selection, Try
from metabench.sweep.cell_text import read_cell, write_cell
from metabench.sweep.cells import resolve
from metabench.sweep.cluster import Cluster, connected
from metabench.sweep.engine import Event, Limits
from metabench.sweep.slot import Slot
from metabench.sweep.status import describe_status
from metabench.sweep.store import Store
from metabench.sweep.study import points
from tests.made_sweeps import cells_of, made, records, same_runs, wait_for


@pytest.fixture(scope="module")
def here() -> Iterator[Cluster]:
    """Ray on this machine alone."""
    with connected(None) as cluster:
        yield cluster


def test_ray_makes_the_runs_that_one_by_one_would(here: Cluster, place: Path) -> None:
    metabench.freeze(Path("tasks.npz"), ways=3, queries=3, episodes=4)
    cells = cells_of(learner="protonet")
    frozen, _ = resolve(
        points({"learner": "nearest", "tasks": "tasks.npz", "output": "runs", "device": "cpu"}), threads=1
    )
    Path("tasks.npz").unlink()
    found = made([*cells, *frozen], here, workers=1)
    assert {cell.digest for cell in found.done} == {cell.digest for cell in cells}
    ((_, reason),) = found.failed
    assert "tasks.npz" in reason
    assert len(Store(Path("runs")).failures(frozen[0].digest)) == 1  # it is not tried again
    folders = records()
    with torch.random.fork_rng():
        for cell in cells:
            record = run_config(cell.config.changed(output=Path("alone")))
            same_runs(folders[cell.digest], Path("alone") / record.id)
    assert not list(Path("runs/.sweep").glob("seen-*"))


def test_what_no_machine_has_is_refused(here: Cluster, place: Path) -> None:
    (cell,) = cells_of(learner="protonet")
    assert here.room(cell.config) == os.cpu_count()
    with pytest.raises(UsageError, match=r"^a run takes 5000 CPU, which no machine of Ray's has; change threads, dev"):
        made([replace(cell, config=cell.config.changed(threads=5000))], here)
    with pytest.raises(UsageError, match=r"^a run takes 1 CPU and 0.5 GPU, which"):
        replace(here, gpus=0.5).room(cell.config.changed(device="auto"))
    assert replace(here, gpus=0.5).room(cell.config)  # which is for the CPU


def test_cells_travel_as_text(place: Path) -> None:
    cells = [
        *cells_of(learner=[{"maml": {"inner_steps": ["1", "3"]}}, "tim"], until_interval="0.5"),
        *cells_of(learner="protonet", data_root="deep", image_size=["28", "32"]),
        *cells_of(learner="nearest", options={}),
    ]
    tries = tuple(Try(options={"steps": each}, mean=0.5, seconds=1, processor_seconds=2) for each in (1, 2))
    selection = Selection(episodes=4, grid=3, tries=tries)
    cells.append(replace(cells[0], digest="ab", selection=selection, tried="cd"))
    cells.append(replace(cells[0], digest="ef", is_try=True))
    texts = [write_cell(cell) for cell in cells]
    assert len(set(texts)) == 8
    assert [read_cell(text) for text in texts] == cells
    assert [read_cell(text).config.given for text in texts] == [cell.config.given for cell in cells]


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the command says as it refuses."""
    Path("study.yaml").write_text("learner: nearest\n")
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "study.yaml", *words])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_a_wrong_address_is_one_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    for address in ("here", "ray://here:10001", "here:port", ":6379"):
        assert said(capsys, "--ray-address", address) == (
            f"metabench: --ray-address {address} is no address; give HOST:PORT, as `ray start` says it\n"
        )
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    assert said(capsys, "--ray-address", address) == (
        f"metabench: --ray-address {address}: nothing answers (Connection refused); correct it, or start Ray there\n"
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.handle_request).start()
        address = f"127.0.0.1:{other.server_address[1]}"
        assert "what answers is not Ray; give the port of `ray start`\n" in said(capsys, "--ray-address", address)
    assert time.monotonic() - began < 5
    assert said(capsys, "--ray", "--gpus-per-run", "1.5").endswith("1.5: give a share below 1, or a whole number\n")
    assert "--gpus-per-run is for Ray; give --ray" in said(capsys, "--gpus-per-run", "1")


def test_without_the_package_one_line_names_the_extra(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert said(capsys, "--ray") == 'metabench: --ray needs the package ray; pip install "metabench[ray]"\n'


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"version": "0.0.1"}, f"it has metabench {version('metabench')}, and 0.0.1 is wanted; install that"),
        ({"place": "/not/here"}, "it has no folder '/not/here', the current one; start the sweep in a folder that all"),
        ({"token": "seen-never"}, "it does not see what is written to 'runs'; give an --output that all machines sha"),
        ({}, ""),
    ],
)
def test_a_machine_that_does_not_share_the_folders_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], problem: str
) -> None:
    monkeypatch.setattr("metabench.sweep.slot.PATIENCE", 0.2)
    Path("runs").mkdir()
    Path("runs/seen").touch()
    facts = {"version": version("metabench"), "place": str(place), "results": "runs", "token": "seen", **changed}
    assert Slot().problem(facts).startswith(problem)
    assert bool(Slot().problem(facts)) == bool(problem)


def calls(name: str = "wait") -> int:
    path = Path(f"{name}.calls")
    return path.stat().st_size if path.exists() else 0


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if event.kind not in ("working", "elsewhere")]


def follow(driver: Iterator[Event], events: list[Event], *expected: str) -> None:
    """Take events until there are as many as expected, which they must be."""
    while len(kinds(events)) < len(expected):
        events.append(next(driver))
    assert kinds(events) == [*expected]


@pytest.mark.slow
def test_a_lost_machine_is_replaced(place: Path) -> None:
    """Two machines with a run each, of which one is lost: its run goes on from its checkpoint on a third."""
    from ray.cluster_utils import Cluster as Machines

    machines = Machines(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [machines.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
        with connected(machines.address) as cluster:
            cells, store = (
                cells_of(learner=[{"faulty:Faulty": {"fault": "wait"}}], seed=["0", "1"]),
                Store(Path("runs")),
            )
            assert cluster.room(cells[0].config) == 2
            free = cells[0].config.changed(device="auto")
            assert replace(cluster, gpus=0.5).room(free) == 2  # two runs fit on each GPU, and one on its machine's CPU
            driver, events = cluster(cells, store, Limits(workers=2, retries=0)), []
            follow(driver, events, "started", "started")
            wait_for(lambda: calls() >= 8 and not grows(calls))
            began = calls()
            machines.remove_node(nodes[0], allow_graceful=False)
            machines.add_node(num_cpus=1)
            follow(driver, events, "started", "started", "retried")
            assert events[-1].text == f"{socket.gethostname()} was lost"
            follow(driver, events, "started", "started", "retried", "started")
            Path("wait").touch()
            events += driver
            assert kinds(events)[-2:] == ["done", "done"]
            assert "failed" not in kinds(events)
            assert calls() < began + 2 * 10  # no step but the one that was being made is made again
    finally:
        machines.shutdown()
    assert [store.failures(cell.digest) for cell in cells] == [[], []]
    folders = records()
    assert len(folders) == 2
    with torch.random.fork_rng():
        for cell in cells:
            record = run_config(cell.config.changed(output=Path("alone")))
            same_runs(folders[cell.digest], Path("alone") / record.id)


def grows(number: Callable[[], int]) -> bool:
    before = number()
    time.sleep(1)
    return number() != before


@pytest.mark.slow
def test_runs_that_fail_take_no_other_along(here: Cluster, place: Path) -> None:
    cells = cells_of(learner=[{"faulty:Faulty": {"fault": ["raise", "once"]}}, "nearest"])
    found = made(cells, here, workers=2, retries=1)
    assert {cell.title for cell in found.done} == {"faulty:Faulty on glyphs, fault once", "nearest on glyphs"}
    ((_, reason),) = found.failed
    assert "it broke" in reason
    store = Store(Path("runs"))
    (failure,) = store.failures(next(cell.digest for cell in found.done if cell.config.options))
    assert failure.reason == "killed by SIGKILL, as the system does where memory runs out"
    assert calls("once") == 7 + 4  # it went on from its checkpoint
    assert len(records()) == 2


@pytest.mark.slow
def test_a_run_past_its_time_is_stopped_and_kept(here: Cluster, place: Path) -> None:
    cells = cells_of(learner=[{"faulty:Faulty": {"fault": "sleep"}}])
    found = made(cells, here, timeout=4, retries=0)
    ((_, reason),) = found.failed
    assert reason == "ran past --timeout 4"
    assert not Store(Path("runs")).is_claimed(cells[0].digest)
    assert records() == {}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGKILL, -9)])
def test_a_driver_that_ends_is_started_again(place: Path, number: int, code: int) -> None:
    """By Ctrl-C, which the terminal sends to all of its processes, SIGTERM or SIGKILL."""
    Path("study.yaml").write_text(
        "learner:\n- nearest\n- faulty:Faulty: {fault: wait}\nways: 3\nqueries: 3\nepisodes: 4\n"
        "validation_episodes: 2\ndevice: cpu\noptions: {backbone: 'conv4:4', steps: 10}\noutput: runs\n"
    )
    command = [sys.executable, "-m", "metabench", "sweep", "study.yaml", "--allow-import", "--ray"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), "."]))}
    store = Store(Path("runs"))
    errors = Path("errors.txt")
    with (
        errors.open("w") as file,
        subprocess.Popen(command, env=environment, stderr=file, start_new_session=True) as driver,
    ):
        wait_for(lambda: calls() == 7 and "done" in errors.read_text())
        assert "1 running, 0 failed, 0 waiting, 1 done" in describe_status(Path("runs"))
        os.killpg(driver.pid, number) if number == signal.SIGINT else driver.send_signal(number)
        assert driver.wait(60) == code
    (nearest,), (plan,) = store.done(), store.plans()
    (waiting,) = plan.runs.keys() - {nearest}
    first, *rest = errors.read_text().splitlines()
    assert first.startswith("metabench: done  nearest on glyphs in ")
    said = "interrupted" if number == signal.SIGINT else "stopped by SIGTERM"
    stopped = f"metabench: {said} with 1 of 2 runs made; the same command makes the others, from their checkpoints"
    assert rest == ([] if number == signal.SIGKILL else [stopped])
    if number != signal.SIGKILL:
        assert not store.is_claimed(waiting)
    wait_for(lambda: not store.is_claimed(waiting))  # its process ends with the driver
    assert "0 failed, 1 waiting, 1 done" in describe_status(Path("runs"))
    Path("wait").touch()
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert again.stdout == "1 of 2 runs made; 1 there already; records: runs\n"
    assert again.stderr.startswith("metabench: done  faulty:Faulty on glyphs, fault wait in ")
    assert again.stderr.count("\n") == 1
    assert records().keys() == {nearest, waiting}
    assert calls() == 7 + 4
