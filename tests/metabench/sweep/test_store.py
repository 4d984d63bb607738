"""The store knows what the records say, whatever becomes of its own files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from metabench.records import reader
from metabench.sweep import store as module
from metabench.sweep.stages import drop_stages
from metabench.sweep.status import describe_status
from metabench.sweep.store import Store
from tests.made_records import edit_record, write_run

SCORES = np.linspace(0, 1, 20)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The records that were read, rather than known from the index."""
    found: list[Path] = []

    def counted(paths: list[Path]) -> object:
        found.extend(paths)
        return reader.read_records(paths)

    monkeypatch.setattr(module, "read_records", counted)
    return found


def test_records_alone_say_what_is_done(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.done() == {}
    write_run(tmp_path / "a", SCORES, seed=0)
    write_run(tmp_path / "deep" / "b", SCORES, seed=1)
    known = store.done()
    assert len(known) == 2
    assert {run.learner for run in known.values()} == {"protonet"}
    write_run(tmp_path / "again", SCORES, seed=1, threads=4, device="cpu")
    assert store.done().keys() == known.keys()
    (tmp_path / "a" / "record.json").unlink()
    assert len(store.done()) == 1


def test_the_index_saves_reading(tmp_path: Path, reads: list[Path]) -> None:
    for seed in range(3):
        write_run(tmp_path / str(seed), SCORES, seed=seed)
    first = Store(tmp_path).done()
    assert len(reads) == 3
    assert Store(tmp_path).done() == first
    assert len(reads) == 3
    write_run(tmp_path / "new", SCORES, seed=3)
    assert len(Store(tmp_path).done()) == 4
    assert reads[3:] == [tmp_path / "new" / "record.json"]


@pytest.mark.parametrize("content", ["", "{", '{"version": "0", "entries": {}}', "[]", None])
def test_an_index_that_is_missing_or_torn_is_made_again(tmp_path: Path, content: str | None, reads: list[Path]) -> None:
    write_run(tmp_path / "a", SCORES)
    store = Store(tmp_path)
    known, index = store.done(), store.folder / "index.json"
    whole = index.read_bytes()
    if content is None:
        index.unlink()
    else:
        index.write_text(content)
    assert store.done() == known
    assert len(reads) == 2
    assert index.read_bytes() == whole


def test_a_changed_record_is_read_again(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", SCORES)
    (before,) = Store(tmp_path).done()
    edit_record(path.parent, config__training__seed=5)
    (after,) = Store(tmp_path).done()
    assert before != after


def test_a_torn_record_is_not_done_and_is_named(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", SCORES)
    write_run(tmp_path / "b", SCORES, seed=1)
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "c").mkdir()
    store = Store(tmp_path)
    known, (problem,) = store.read()
    assert len(known) == 1
    assert str(path) in problem
    assert str(path) in describe_status(tmp_path)
    (tmp_path / "b" / "scores.csv").write_text("episode,learner\n0,1\n")
    assert store.done() == {}


def test_a_shared_stage_stays_while_a_run_of_any_study_needs_it(tmp_path: Path) -> None:
    write_run(tmp_path / "a", SCORES)
    store = Store(tmp_path)
    (digest,) = store.done()
    needed, unneeded, left = (store.stage_folder(key) for key in ("00", "11", "11.gone"))
    for folder in (needed, unneeded, left):
        (folder / "deep").mkdir(parents=True)
    store.write_plan("done", {digest: "a"}, {}, {"00": [digest], "11": [digest]})
    store.write_plan("waiting", {digest: "a", "ab" * 16: "b"}, {}, {"00": [digest, "ab" * 16]})
    drop_stages(store)
    assert (needed.exists(), unneeded.exists(), left.exists()) == (True, False, False)
    store.write_plan("waiting", {digest: "a"}, {}, {})
    drop_stages(store)
    assert not needed.parent.exists()
    assert sorted(path.name for path in store.folder.iterdir()) == ["index.json", "studies"]


def test_a_stage_in_use_stays_though_no_plan_has_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    code = f"""
from pathlib import Path
from metabench.sweep.stages import use_stage
from metabench.sweep.store import Store
store = Store(Path({str(tmp_path)!r}))
with store.claimed("ab"):
    print(use_stage(store, "00", "ab"), flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdout
        assert user.stdout.readline().decode().strip() == str(store.stage_folder("00"))
        drop_stages(store)
        assert store.stage_folder("00").exists()
        user.kill()
    drop_stages(store)
    assert not store.stage_folder("00").exists()


def test_records_from_elsewhere_do_not_count(tmp_path: Path) -> None:
    path = write_run(tmp_path / "a", SCORES)
    (path.parent / "added.json").write_text("{}")
    assert Store(tmp_path).done() == {}


def test_one_process_at_a_time_has_a_run_and_loses_it_with_its_life(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.is_claimed("ab")
    code = f"""
from pathlib import Path
from metabench.sweep.store import Store
with Store(Path({str(tmp_path)!r})).claimed("ab") as free:
    print(free, flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"True\n"
        assert store.is_claimed("ab")
        with store.claimed("ab") as free:
            assert not free
        other.kill()
        other.wait()
    assert not store.is_claimed("ab")
    with store.claimed("ab") as free:
        assert free


def test_failures_are_kept_with_the_last_lines(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.failures("ab") == []
    store.log("ab").parent.mkdir(parents=True)
    store.log("ab").write_bytes(b"".join(b"line %d\n\n" % number for number in range(5000)) + b"\xff\n")
    store.add_failure("ab", "it broke", 1.23, "here")
    store.add_failure("ab", "it broke again", 2, "here")
    first, second = store.failures("ab")
    assert (first.reason, first.seconds, second.reason) == ("it broke", 1.2, "it broke again")
    assert first.lines == [*(f"line {number}" for number in range(4981, 5000)), "\N{REPLACEMENT CHARACTER}"]
    (store.run_folder("ab") / "failures.json").write_text("[{")
    assert store.failures("ab") == []


def test_status_says_what_is_known(tmp_path: Path) -> None:
    assert describe_status(tmp_path) == f"no study was begun in '{tmp_path}'"
    store = Store(tmp_path)
    write_run(tmp_path / "a", SCORES)
    (done,) = store.done()
    store.write_plan("mine", {done: "one", "ab": "two", "cd": "three", "ef": "four"}, {}, {})
    store.run_folder("ab").mkdir(parents=True)
    store.log("ab").write_text("metabench: train: step 5 of 9\n")
    store.add_failure("cd", "it broke", 1.0, "here")
    store.add_failure("cd", "it is broken", 1.0, "here")
    code = "import sys; from metabench.sweep.status import describe_status; from pathlib import Path; "
    code += f"print(describe_status(Path({str(tmp_path)!r})), 'torch' in sys.modules)"
    with store.claimed("ab"):
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    log = store.log("cd")
    assert said == (
        "mine: 4 runs, 1 running, 1 failed, 1 waiting, 1 done\n"
        "  running  two: train: step 5 of 9\n"
        f"  failed   three (2 times): it is broken; see '{log}'\n"
        "  waiting  four False\n"
    )


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    """A file that would make another one when it is unpickled, wherever the store reads."""
    made = tmp_path / "made"
    pickled = f"cos\nsystem\n(S'touch {made}'\ntR.".encode()
    write_run(tmp_path / "a", SCORES)
    store = Store(tmp_path)
    store.write_plan("mine", {"ab": "one"}, {}, {})
    store.run_folder("ab").mkdir(parents=True)
    for file in ("index.json", "studies/mine.json", "runs/ab/failures.json", "runs/ab/log.txt"):
        (store.folder / file).write_bytes(pickled)
    assert len(store.done()) == 1
    assert store.failures("ab") == store.plans() == []
    assert not made.exists()
    os.system(f"touch {made}")  # what it would have done
    assert made.exists()


def test_writers_of_the_index_do_not_tear_it(tmp_path: Path) -> None:
    for seed in range(4):
        write_run(tmp_path / str(seed), SCORES, seed=seed)
    code = f"""
from pathlib import Path
from metabench.sweep.store import Store
store = Store(Path({str(tmp_path)!r}))
for _ in range(10):
    (store.folder / "index.json").unlink(missing_ok=True)
    assert len(store.done()) == 4
"""
    writers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert len(json.loads((tmp_path / ".sweep" / "index.json").read_text())["entries"]) == 4
    assert [path.name for path in (tmp_path / ".sweep").iterdir()] == ["index.json"]
