"""Sweeps with real processes: what is missing is made, once, whatever happens to runs and drivers."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from metabench.cli.config_file import read_config_file
from metabench.cli.main import main
from metabench.experiment.runner import run_config
from metabench.sweep.cells import Cell, resolve
from metabench.sweep.engine import Event, Limits
from metabench.sweep.local import run_cells
from metabench.sweep.status import describe_status
from metabench.sweep.store import Store
from metabench.sweep.study import points
from metabench.sweep.sweep import sweep
from metabench.training.shared import is_settled
from tests.made_sweeps import cells_of, made, records, same_runs, wait_for


def test_a_study_makes_the_runs_that_one_by_one_would(place: Path) -> None:
    cells = cells_of(learner=["tim", "nearest"], shots=["1", "2"])
    stages = {cell.stage for cell in cells if cell.stage}
    assert len(stages) == 1
    assert [cell.config.learner for cell in cells if cell.stage] == ["tim", "tim"]
    found = made(cells, workers=2)
    assert (found.there, found.failed) == (0, ())
    assert {cell.digest for cell in found.done} == {cell.digest for cell in cells}
    assert not any(Store(Path("runs")).stage_folder(key).exists() for key in stages)
    folders = records()
    with torch.random.fork_rng():
        for cell in cells[1:3]:  # of tim the one that followed the other, and one without training
            record = run_config(cell.config.changed(output=Path("alone")))
            same_runs(folders[cell.digest], Path("alone") / record.id)
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("record.json")}
    again = made(cells)
    assert (again.there, again.done) == (4, ())
    more = made(cells_of(learner=["tim", "bd_cspn", "nearest"], shots=["1"]))
    assert (more.there, [cell.config.learner for cell in more.done]) == (2, ["bd_cspn"])
    assert before.items() <= {path: path.stat().st_mtime_ns for path in Path("runs").rglob("record.json")}.items()
    assert describe_status(Path("runs")) == "study: 3 runs, 0 running, 0 failed, 0 waiting, 3 done"


@pytest.mark.slow
def test_a_run_that_fails_takes_no_other_along(place: Path) -> None:
    faults = {"raise": "it broke", "memory": "too little memory", "kill": "killed by SIGKILL"}
    options = {"fault": [*faults, "once"]}
    cells = cells_of(learner=[{"faulty:Faulty": options}, "nearest"])
    found = made(cells, workers=2, retries=1)
    assert {cell.title for cell in found.done} == {"faulty:Faulty on glyphs, fault once", "nearest on glyphs"}
    store = Store(Path("runs"))
    for cell, reason in found.failed:
        said = faults[str(cell.config.options["fault"])]
        assert said in reason
        failures = store.failures(cell.digest)
        assert [said in failure.reason for failure in failures] == [True, True]
        assert failures[0].lines or said == "killed by SIGKILL"
    once = next(cell for cell in found.done if cell.config.options)
    (failure,) = store.failures(once.digest)
    assert "SIGKILL" in failure.reason
    assert len(Path("once.calls").read_text()) == 7 + 4  # not 7 + 10: it went on from its checkpoint
    assert "3 failed, 0 waiting, 2 done" in describe_status(Path("runs"))
    record = run_config(once.config.changed(output=Path("alone")))
    same_runs(records()[once.digest], Path("alone") / record.id)


@pytest.mark.slow
def test_a_study_that_is_done_leaves_no_stage_and_one_with_a_failed_run_keeps_its_own(place: Path) -> None:
    failing = cells_of(learner=[{"faulty:Faulty": {"fault": "once"}}], test_seed=["0", "1"])
    sharing = cells_of(learner="finetune", test_seed=["0", "1"], seed="1")
    store = Store(Path("runs"))
    (kept,), (dropped,) = ({store.stage_folder(cell.stage or "") for cell in cells} for cells in (failing, sharing))
    assert len(made(failing, retries=0).failed) == 1
    assert kept.exists()
    settled: list[bool] = []

    def watched(cells: Sequence[Cell], store: Store, limits: Limits) -> Iterator[Event]:
        for event in run_cells(cells, store, limits):
            settled.append(is_settled(dropped))
            yield event

    assert len(sweep("other", sharing, store, Limits(), watched).done) == 2
    assert any(settled)
    assert (kept.exists(), dropped.exists()) == (True, False)
    assert len(made(failing).done) == 1
    assert not kept.exists()


def test_a_run_past_its_time_is_stopped_and_kept(place: Path) -> None:
    cells = cells_of(learner=[{"faulty:Faulty": {"fault": "sleep"}}])
    found = made(cells, timeout=4, retries=0)
    ((_, reason),) = found.failed
    assert reason == "ran past --timeout 4"
    assert not Store(Path("runs")).is_claimed(cells[0].digest)
    assert records() == {}


def test_two_drivers_share_a_study(place: Path) -> None:
    cells, store = cells_of(learner="nearest", seed=["0", "1", "2"], options={}), Store(Path("runs"))
    first, second = (run_cells(cells, store, Limits(workers=2)) for _ in range(2))
    kinds: list[list[str]] = [[], []]
    turns = [(first, kinds[0]), (second, kinds[1])]
    while turns:
        for driver, seen in [*turns]:
            event = next(driver, None)
            if event is None:
                turns.remove((driver, seen))
            elif event.kind != "working":
                seen.append(event.kind)
    assert [seen.count("done") for seen in kinds] == [3, 3]
    assert not {"failed", "retried"} & {*kinds[0], *kinds[1]}
    assert len(records()) == 3
    assert len(list(Path("runs").glob("glyphs-*"))) == 3


@pytest.mark.slow
def test_a_driver_that_is_stopped_leaves_checkpoints(place: Path) -> None:
    cells, store = cells_of(learner=[{"faulty:Faulty": {"fault": "wait"}}]), Store(Path("runs"))
    driver = run_cells(cells, store, Limits())
    next(driver)
    wait_for(lambda: Path("wait.calls").exists() and len(Path("wait.calls").read_text()) == 7)
    driver.close()  # type: ignore[attr-defined]
    assert not store.is_claimed(cells[0].digest)
    assert store.failures(cells[0].digest) == []
    assert list(Path("runs").glob("*/checkpoint.pt"))
    Path("wait").touch()
    assert len(made(cells).done) == 1
    assert len(Path("wait.calls").read_text()) == 7 + 4
    assert not list(Path("runs").glob("*/checkpoint.pt"))


def test_a_driver_that_is_killed_and_started_again_finishes_the_study(place: Path) -> None:
    Path("study.yaml").write_text(
        "learner:\n- nearest\n- faulty:Faulty: {fault: wait}\nways: 3\nqueries: 3\nepisodes: 4\nthreads: 1\n"
        "validation_episodes: 2\ndevice: cpu\noptions: {backbone: 'conv4:4', steps: 10}\noutput: runs\n"
    )
    command = [sys.executable, "-m", "metabench", "sweep", "study.yaml", "--allow-import", "--workers", "2"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), "."]))}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as driver:
        store = Store(Path("runs"))
        wait_for(lambda: Path("wait.calls").exists() and len(Path("wait.calls").read_text()) == 7)
        wait_for(lambda: len(store.done()) == 1)
        assert "1 running, 0 failed, 0 waiting, 1 done" in describe_status(Path("runs"))
        driver.send_signal(signal.SIGKILL)
    (nearest,), (plan,) = store.done(), store.plans()
    (waiting,) = plan.runs.keys() - {nearest}
    wait_for(lambda: not store.is_claimed(waiting))  # its process ends with the driver
    assert "1 waiting, 1 done" in describe_status(Path("runs"))
    Path("wait").touch()
    cells, _ = resolve(points(read_config_file(Path("study.yaml"), "study")), threads=None)
    found = made(cells)
    assert (found.there, [cell.digest for cell in found.done]) == (1, [waiting])
    assert records().keys() == {nearest, waiting}
    assert len(Path("wait.calls").read_text()) == 7 + 4


def test_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(code: int, *words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["sweep", *words])
        assert (ended.value.code or 0) == code
        captured = capsys.readouterr()
        return captured.out or captured.err

    Path("study.yaml").write_text(
        "learner: nearest\nseed: [0, 1]\nepisodes: 4\nqueries: 3\nexclude: [{seed: 1}]\nthreads: 1\n"
    )
    listed = said(0, "study.yaml", "--dry-run")
    assert listed.endswith("  nearest on glyphs\n1 run, 0 done, 1 to make; about 5 s with --workers 1\n")
    assert not Path("results").exists()
    assert said(0, "study.yaml") == "1 of 1 runs made; records: results\n"
    assert said(0, "study.yaml", "--dry-run").startswith("     done  nearest on glyphs\n1 run, 1 done, 0 to make")
    assert said(0, "study.yaml") == "0 of 1 runs made; 1 there already; records: results\n"
    assert said(0, "status") == "study: 1 run, 0 running, 0 failed, 0 waiting, 1 done\n"
    assert "--live does nothing with --dry-run; leave it out" in said(2, "study.yaml", "--dry-run", "--live")
    assert "--workers does nothing for `sweep status`; leave it out" in said(2, "status", "--workers", "2")
    assert "Invalid value for '--retries'" in said(2, "study.yaml", "--retries", "-1")
    assert "--timeout 3 days is not a time; give seconds" in said(2, "study.yaml", "--timeout", "3 days")
    assert "cannot read study 'missing.yaml'" in said(2, "missing.yaml")
    Path("import.yaml").write_text("learner: faulty:Faulty\n")
    assert "give --allow-import if you trust the study" in said(2, "import.yaml")
    assert "faulty" not in sys.modules


def test_runs_whose_data_are_missing_are_left_out_and_the_others_made(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(code: int, *words: str) -> tuple[str, list[str]]:
        with pytest.raises(SystemExit) as ended:
            main(["sweep", "study.yaml", *words])
        assert (ended.value.code or 0) == code
        out, err = capsys.readouterr()
        return out, [line for line in err.splitlines() if "left out" in line]

    Path("study.yaml").write_text(
        "learner: nearest\ndataset: [glyphs, 'folder:mine']\nshots: [1, 2]\nways: 2\nqueries: 2\nepisodes: 4\n"
        "validation_episodes: 2\nthreads: 1\n"
    )
    why = "there is no folder 'mine'"
    out, lines = said(1, "--dry-run")
    assert [line.split("  ")[-1] for line in out.splitlines() if line.startswith(" left out")] == [
        f"nearest on folder:mine, shots {shots}" for shots in (1, 2)
    ]
    assert out.endswith("with --workers 1; 2 left out, whose data are missing\n")
    assert [line.partition(why)[0] for line in lines] == ["metabench: mine is left out: "]
    out, lines = said(1)
    assert out == "2 of 4 runs made; 2 left out, whose data are missing; records: results\n"
    assert [line.partition(why)[0] for line in lines] == [
        "metabench: mine is left out: ",
        *(f"metabench: left out: nearest on folder:mine, shots {shots}: " for shots in (1, 2)),
    ]
    for label in range(6):
        for item in range(4):
            path = Path("mine") / f"class{label}" / f"{item}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (40 * label, 9 * item, 0)).save(path)
    assert said(0) == ("2 of 4 runs made; 2 there already; records: results\n", [])
