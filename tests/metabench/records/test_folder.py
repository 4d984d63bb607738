import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from metabench.config import RunConfig, make_config
from metabench.errors import RunError, UsageError
from metabench.records.checkpoint import CHECKPOINT_FILE, find_checkpoint, save_tensors
from metabench.records.folder import claim_folder, in_folder, load_run, run_name


def config(folder: Path, **changes: object) -> RunConfig:
    return make_config(output=folder, **changes)


def claimed(given: RunConfig) -> Path:
    return claim_folder(given, run_name(given, regression=False))


def found(given: RunConfig, identity: dict[str, object]) -> tuple[Path, dict[str, object]]:
    return find_checkpoint(given, run_name(given, regression=False), identity)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_no_two_runs_get_one_folder(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from metabench.config import make_config;"
        "from metabench.records.folder import *;"
        "[print(claim_folder(make_config(output=Path(sys.argv[1])), 'a').name) for _ in range(20)]"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    claimed = [name for process in processes for name in process.communicate(timeout=60)[0].split()]
    assert len(set(claimed)) == 40
    assert names(tmp_path) == sorted(claimed)


def test_the_name_says_how_queries_are_drawn() -> None:
    assert run_name(make_config(), regression=False) == "glyphs-5way-1shot-protonet-seed0"
    across = make_config(dataset="emoji", across="styles")
    assert run_name(across, regression=False) == "emoji-5way-1shot-across_styles-protonet-seed0"
    uneven = make_config(query_imbalance="dirichlet:0.5")
    assert run_name(uneven, regression=False) == "glyphs-5way-1shot-dirichlet_0.5_queries-protonet-seed0"


def test_a_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    with in_folder(tmp_path):
        save_tensors(tmp_path / CHECKPOINT_FILE, {})
        with pytest.raises(UsageError, match="another process is at work in"), in_folder(tmp_path):
            pass
    with in_folder(tmp_path):
        pass
    assert names(tmp_path) == [CHECKPOINT_FILE]


def test_an_interruption_says_what_is_kept_and_leaves_no_empty_folder(tmp_path: Path) -> None:
    empty, kept = tmp_path / "empty", tmp_path / "kept"
    empty.mkdir()
    kept.mkdir()
    with pytest.raises(RunError, match="interrupted; nothing is kept"), in_folder(empty):
        raise KeyboardInterrupt
    save_tensors(kept / CHECKPOINT_FILE, {})
    with pytest.raises(RunError, match=r"interrupted; '.*checkpoint.pt' keeps it: .* --resume"), in_folder(kept):
        raise KeyboardInterrupt
    (kept / "record.json").write_text("{}")
    with pytest.raises(RunError, match=r"interrupted; the run itself is complete, .*record.json'"), in_folder(kept):
        raise KeyboardInterrupt
    assert names(tmp_path) == ["kept"]


@pytest.mark.parametrize("content", [b"", b"PK", [1], {"a": 1}])
def test_damaged_checkpoints_are_named(content: object, tmp_path: Path) -> None:
    folder = claimed(config(tmp_path))
    for name in (CHECKPOINT_FILE, "learner.pt"):
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            torch.save(content, folder / name)
    for read in (lambda: found(config(tmp_path), {}), lambda: load_run(folder)):
        with pytest.raises(UsageError, match="is not a complete") as error:
            read()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        *({"config": value, "learner": {}} for value in (None, 3, [1], "x")),
        *({"config": {}, "learner": value} for value in (None, 3, [1], "x")),
        *({name: {}} for name in ("config", "learner", "other")),
        [{"config": {}, "learner": {}}],
        torch.zeros(3),
    ],
)
def test_a_trained_learner_with_a_damaged_part_is_named(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "learner.pt")
    with pytest.raises(
        UsageError, match=r"learner.pt' is not a complete trained learner of metabench \(.*\); restore it"
    ):
        load_run(tmp_path)


def test_a_record_that_was_sent_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name the folder of a finished run"):
        load_run(tmp_path)
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(UsageError, match="ask for it where the record is from, or train it again by `metabench reprod"):
        load_run(tmp_path)


def test_a_long_name_of_a_dataset_or_learner_gives_a_folder_that_can_be_made(tmp_path: Path) -> None:
    long = config(tmp_path, dataset=f"folder:/{'deep/' * 50}{'name' * 60}", learner=f"package.{'module.' * 40}:Class")
    folder, again = claimed(long), claimed(long)
    assert len(folder.name) < 150
    assert again.name == f"{folder.name}-2"
    assert claimed(config(tmp_path, dataset="folder:/home/ann/birds/")).name.startswith("folder_birds-5way")


def test_a_run_is_found_by_its_own_name_and_identity(tmp_path: Path) -> None:
    other, first, second = (claimed(config(tmp_path, seed=seed)) for seed in (17, 1, 1))
    (other / CHECKPOINT_FILE).write_bytes(b"broken, and none of this run's business")
    for number, folder in enumerate((first, second)):
        save_tensors(folder / CHECKPOINT_FILE, {"identity": {"data": number}})
    assert found(config(tmp_path, seed=1), {"data": 0})[0] == first
    assert found(config(tmp_path, seed=1), {"data": 1})[0] == second
    with pytest.raises(UsageError, match="unfinished there: 2 of other settings or data"):
        found(config(tmp_path, seed=1), {"data": 2})


@pytest.mark.skipif(sys.platform == "win32", reason="limits on files are POSIX's")
def test_a_full_disk_is_one_line(tmp_path: Path, glyphs: object) -> None:
    """A limit on the size of files stands for the disk: the checkpoint does not fit."""
    import resource

    options = ["--steps=10", "--backbone=conv4:8", "--episodes=10", "--validation-episodes=2", "--threads=1"]
    # The file of a coverage measurement would not fit either.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(
        [sys.executable, "-m", "metabench", "run", *options, "--output", str(tmp_path)],
        **{"capture_output": True, "text": True, "env": env},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("metabench: cannot write '")
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == []
